from cystgrid import explain as explain
from cystgrid.face.cohorts import insert as insert
from cystgrid.face.cohorts import phantom as phantom
from cystgrid.face.cohorts import read_cohort as read_cohort
from cystgrid.face.models import export as export
from cystgrid.face.models import open_model as open_model
from cystgrid.face.models import pretrain as pretrain
from cystgrid.face.models import train as train
from cystgrid.face.prepared import open_prepared as open_prepared
from cystgrid.face.prepared import prepare as prepare
from cystgrid.face.results import crossval as crossval
from cystgrid.face.results import report as report
from cystgrid.face.results import tables as tables
from cystgrid.face.scans import read_scan as read_scan
from cystgrid.face.study import Study as Study

__version__: str
