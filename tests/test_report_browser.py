"""The report in a real browser: axe-core's rules in both themes, and every control by keyboard."""

import shutil

import pytest

from cystgrid.reporting import run_report
from report_runs import HOSTILE

sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def run(report_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    run_report(report_run, output=folder / "report.html", quiet=True)
    (folder / "tables").symlink_to(report_run / "tables")
    return folder


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture(params=["light", "dark"])
def page(request, browser, run):
    """The report from its file, without a network; any fault or request fails the test."""
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": 1280, "height": 800}, offline=True
    )
    tab, faults = context.new_page(), []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((run / "report.html").as_uri())
    yield tab
    context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == asked[:1]


def check(page):
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_no_rule_of_axe_is_broken(page):
    page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")
    check(page)
    page.click("text=Open >> nth=0")
    check(page)


def test_the_theme_can_be_turned(page):
    background = "getComputedStyle(document.documentElement).backgroundColor"
    before = page.evaluate(background)
    page.click("#theme")
    assert page.evaluate(background) != before
    page.click("#theme")
    assert page.evaluate(background) == before


def test_a_table_is_sorted_by_keyboard_and_taken_away(page, run):
    head = page.locator("#table-partitions thead th").nth(1)
    cells = page.locator("#table-partitions tbody th")
    order = cells.all_inner_texts()
    page.locator("#table-partitions thead th button").nth(0).focus()
    page.keyboard.press("Tab")
    seen = []
    for direction in ("ascending", "descending", None):
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == direction
        texts = page.locator("#table-partitions tbody td:nth-child(2)").all_inner_texts()
        seen.append([int(text) for text in texts])
    assert seen[0] == sorted(seen[0]) and seen[1] == sorted(seen[1], reverse=True)
    assert cells.all_inner_texts() == order
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV: Table I: all methods").press("Enter")
    assert download.value.suggested_filename == "table1.csv"
    table = (run / "tables/table1.csv").read_text("utf-8")
    assert download.value.path().read_text("utf-8") == table


def test_a_case_opens_to_its_slices_and_closes_by_keyboard(page):
    first = page.locator("#cards .case").first
    button = first.locator("button")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    svg = dialog.locator("svg").first
    assert svg.get_attribute("viewBox") == svg.get_attribute("data-whole")
    assert dialog.locator("tbody tr").count() == 2  # both methods' answers
    title = page.inner_text("#case-title")
    page.uncheck("#map-on")
    overlay = dialog.locator(".map").first
    assert overlay.evaluate("image => getComputedStyle(image).display") == "none"
    page.locator("dialog button").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#case-title") != title
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("Open case")


def test_cases_are_filtered(page):
    page.fill("#search", "<img")
    assert page.inner_text("#shown") == "1 of 12 cases"
    assert page.locator("#cards .case:visible").get_attribute("data-patient") == f"p05{HOSTILE}"
    page.fill("#search", "")
    page.select_option("#verdict", "wrong")
    wrong = page.locator("#cards .case[data-verdict=wrong]").count()
    assert page.inner_text("#shown") == f"{wrong} of 12 cases"


def test_it_fits_a_phone_and_prints(page, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.emulate_media(media="print")
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").read_bytes()[:4] == b"%PDF"
    assert page.evaluate("getComputedStyle(document.querySelector('.tools')).display") == "none"
