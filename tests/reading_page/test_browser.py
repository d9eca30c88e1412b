"""The whole way in a real browser, with a mouse, and with axe-core's rules at every step."""

import shutil
import zipfile

import pytest

from cystgrid.page.rendering import has_viewer
from cystgrid.provenance import NOTICE
from reading_page.conftest import BOX
from reading_page.live import serving

sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

WITHOUT_WEBGL = ["--no-sandbox", "--disable-gpu", "--disable-webgl", "--disable-webgl2"]
WITH_WEBGL = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
EDGES = ("x0", "x1", "y0", "y1", "z0", "z1")


@pytest.fixture(scope="module")
def link(world, tmp_path_factory):
    with serving(world / "model", tmp_path_factory.mktemp("browser") / "studies") as live:
        yield live.link


@pytest.fixture(params=[False, True], ids=["pictures", "webgl"])
def webgl(request):
    if request.param and not has_viewer():
        pytest.skip("the viewer was not built: npm was not there when the package was installed")
    return request.param


@pytest.fixture
def tab(webgl, link):
    """A browser that has opened the link; any fault in its console fails the test."""
    faults = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=WITH_WEBGL if webgl else WITHOUT_WEBGL
        )
        page = browser.new_page(viewport={"width": 820, "height": 1180}, accept_downloads=True)
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(link)
        yield page
        browser.close()
    assert faults == []


def check(page):
    """No rule of axe-core is broken, and the notice is in view."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.locator(".notice").inner_text() == NOTICE
    assert page.locator(".notice").is_visible()


def test_from_a_dropped_study_to_its_answer(tab, webgl, world, tmp_path):
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for path in sorted((world / "new/scans/P001").rglob("*.dcm")):
            made.write(path, path.relative_to(world))
    check(tab)
    tab.set_input_files("#files", archive)
    tab.wait_for_url("**/studies/*")
    check(tab)
    _draw_the_box(tab)
    tab.click("text=Read this study")
    tab.wait_for_selector("#linked")
    tab.wait_for_load_state("networkidle")
    check(tab)
    _volumes(tab, webgl)
    _scroll_and_look(tab)
    _take_away(tab)
    tab.goto(tab.url.rpartition("/studies/")[0] + "/help")
    check(tab)


def _draw_the_box(tab):
    """A corner is dragged; the numbers follow, in millimetres, and the other pictures too."""
    before = {name: float(tab.input_value(f"[name={name}]")) for name in EDGES}
    corner = tab.locator("svg.plane[data-axis=axial] .corner").first  # right and front
    corner.scroll_into_view_if_needed()
    where = corner.bounding_box()
    svg = tab.locator("svg.plane[data-axis=axial]")
    scale = svg.evaluate("svg => svg.getScreenCTM().a")
    x, y = where["x"] + where["width"] / 2, where["y"] + where["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 10 * scale, y + 20 * scale, steps=4)
    tab.mouse.up()
    after = {name: float(tab.input_value(f"[name={name}]")) for name in EDGES}
    assert after["x1"] == pytest.approx(before["x1"] - 10, abs=0.3)
    assert after["y1"] == pytest.approx(before["y1"] - 20, abs=0.3)
    assert {name: after[name] for name in ("x0", "y0", "z0", "z1")} == {
        name: before[name] for name in ("x0", "y0", "z0", "z1")
    }
    coronal = tab.locator("svg.plane[data-axis=coronal] .box")
    width = float(coronal.get_attribute("width"))
    assert width == pytest.approx(after["x1"] - after["x0"], abs=0.1)
    for name, value in zip(EDGES, BOX.split(","), strict=True):
        tab.fill(f"[name={name}]", value)
    assert float(coronal.get_attribute("width")) == 120


def _scroll_and_look(tab):
    """Both scans turn together, and the map can be made clear."""
    t1, t2 = (tab.locator("#linked svg.plane .scan").nth(number) for number in range(2))
    first = t1.get_attribute("href")
    tab.focus("#slice")
    tab.keyboard.press("ArrowRight")
    number = int(tab.input_value("#slice"))
    for scan in (t1, t2):
        assert scan.get_attribute("href") != first
        assert f"/{number}.png" in scan.get_attribute("href")
    assert tab.locator("#linked .place").all_inner_texts()[0].endswith("mm")
    over = tab.locator("#linked .map").first
    tab.locator("#opacity").fill("20")
    assert over.get_attribute("opacity") == "0.2"
    tab.locator("#threshold").fill("3")
    assert "threshold=3" in over.get_attribute("href")
    tab.select_option("#axis", "sagittal")
    assert "/sagittal/" in t1.get_attribute("href")
    tab.select_option("#map", "")
    assert over.evaluate("image => getComputedStyle(image).display") == "none"


def _volumes(tab, webgl):
    """T1 and T2 as volumes with the map over them; or a sentence where there is no WebGL2."""
    if not webgl:
        if has_viewer():
            assert "no WebGL2" in tab.inner_text("#viewer")
        return
    tab.click("#viewer button")
    tab.wait_for_selector("#viewer[data-ready]")
    check(tab)
    drawn = tab.locator("#viewer canvas").first.screenshot()
    tab.select_option("#viewer select", "3-D")
    tab.wait_for_timeout(500)
    assert tab.locator("#viewer canvas").first.screenshot() != drawn
    tab.select_option("#viewer select", "all three")
    tab.locator("#threshold").fill("8")
    tab.wait_for_timeout(500)
    assert tab.locator("#viewer canvas").first.screenshot() != drawn  # the map is clear now


def _take_away(tab):
    links = {"One page": ".pdf", "Maps": "-maps.zip", "DICOM results": "-dicom.zip"}
    for text, name in links.items():
        with tab.expect_download() as download:
            tab.get_by_role("link", name=text).click()
        assert download.value.suggested_filename.endswith(name)
        assert download.value.suggested_filename.startswith("patient-")  # nobody's name
