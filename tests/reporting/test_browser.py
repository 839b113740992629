"""
The pages in a real browser: they open at once, nothing bars a reader without mouse or eyes, filters work.

Needs Chromium and its driver (Debian: chromium, chromium-driver). Where they lack, these tests say that they were not
run; in CI that is a failure.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from sevconf.judge import Setting
from sevconf.reporting.compare import side_by_side
from sevconf.reporting.files import read_report
from sevconf.reporting.html import comparison_page
from sevconf.run import Order, run
from sevconf.subjects.registry import resolve
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.vocabulary import Profile

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
FAULT = "faulty:forgets-write-bounce"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1400,1400"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
#: The most that the browser's main thread may be busy until a page with all rows is open, in seconds of processor time.
OPEN = 1.0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Return a headless browser."""
    if CHROMIUM is None or DRIVER is None:
        message = "Chromium and chromedriver are not installed: the HTML report was not looked at in a browser"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.set_script_timeout(110)
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of two runs: a faulty machine by all rules, and the reference by some."""
    catalogue = load(suite_root())
    folders = {}
    for name, rules in (
        (FAULT, catalogue.rules),
        ("reference", ("DMA-01", "EBS-04")),
        ("faulty:does-not-halt", ("DRV-01",)),
    ):
        folder = tmp_path_factory.mktemp("report")
        target = resolve(name)
        setting = Setting(catalogue, target, Profile.OVMF_SEV, 0, frozenset(rules), folder / "traces")
        run(setting, Order(name, folder=folder))
        target.close()
        folders[name] = folder
    return folders


def _axe(browser: webdriver.Chrome) -> list[str]:
    browser.execute_script(AXE)
    found: dict[str, Any] = browser.execute_async_script(
        "axe.run({resultTypes: ['violations']}).then(arguments[arguments.length - 1])"
    )
    assert len(found["passes"]) > 10
    return [
        f"{violation['impact']}: {violation['id']}: {violation['nodes'][0]['html'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def _scheme(browser: webdriver.Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["reference", "faulty:does-not-halt"])
def test_a_report_is_barred_to_nobody(
    browser: webdriver.Chrome, reports: dict[str, Path], name: str, scheme: str
) -> None:
    """With every rule and some drawings unfolded, axe has no serious finding, in light and in dark."""
    _scheme(browser, scheme)
    browser.get((reports[name] / "report.html").as_uri())
    browser.execute_script(
        "document.querySelectorAll('details.rule').forEach((node) => { node.open = true; });"
        "[...document.querySelectorAll('details.pictures')].slice(0, 2).forEach((node) => { node.open = true; });"
    )
    assert _axe(browser) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_comparison_is_barred_to_nobody(
    browser: webdriver.Chrome, reports: dict[str, Path], tmp_path: Path, scheme: str
) -> None:
    """The page of several targets has no serious finding either, and its filter leaves what differs."""
    _scheme(browser, scheme)
    sides = side_by_side([read_report(folder) for folder in reports.values()])
    page = tmp_path / "page.html"
    page.write_text(comparison_page(sides, ()), encoding="utf-8")
    browser.get(page.as_uri())
    assert _axe(browser) == []
    form = browser.find_element(By.CSS_SELECTOR, "form[data-of=rules-rows]")
    Select(form.find_element(By.NAME, "counts")).select_by_value("no")
    shown, every = form.find_element(By.TAG_NAME, "output").text.removesuffix(" shown").split(" of ")
    assert 0 <= int(shown) < int(every)


def test_axe_finds_what_is_wrong(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """The check is none of nothing: a page with an unnamed field and faint text has serious findings."""
    page = tmp_path / "page.html"
    rows = "<p>word</p>" * 3
    page.write_text(f"<main>{rows}<input><p style='color:#ccc;background:#fff'>faint</p><ul><li>a</li></ul></main>")
    browser.get(page.as_uri())
    browser.execute_script(AXE)
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert {"color-contrast", "label"} <= {violation["id"] for violation in found["violations"]}


def test_a_report_of_all_rows_opens_at_once(browser: webdriver.Chrome, reports: dict[str, Path]) -> None:
    """Until it is open, the page keeps the browser busy for less than a second, with all rows and their drawings."""
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    browser.get((reports[FAULT] / "report.html").as_uri())
    metrics = {each["name"]: each["value"] for each in browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    browser.execute_cdp_cmd("Performance.disable", {})
    assert len(browser.find_elements(By.CSS_SELECTOR, "ul.rows > li[id]")) > 500
    assert 0 < metrics["TaskDuration"] < OPEN


def test_nothing_is_fetched(browser: webdriver.Chrome, reports: dict[str, Path]) -> None:
    """The page is whole: it asks for no file and no host."""
    browser.get((reports["reference"] / "report.html").as_uri())
    assert browser.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)") == []


def test_filters_by_keyboard(browser: webdriver.Chrome, reports: dict[str, Path]) -> None:
    """What is typed narrows the table and is announced; a verdict narrows it further; the button shows all again."""
    browser.get((reports[FAULT] / "report.html").as_uri())
    form = browser.find_element(By.CSS_SELECTOR, "form[data-of=matrix-rows]")
    rows = browser.find_elements(By.CSS_SELECTOR, "#matrix-rows > tr")

    def shown() -> int:
        return sum(row.is_displayed() for row in rows)

    field = form.find_element(By.NAME, "text")
    field.send_keys("DMA-01")
    few = shown()
    assert 0 < few < len(rows)
    assert form.find_element(By.TAG_NAME, "output").text == f"{few} of {len(rows)} shown"
    Select(form.find_element(By.NAME, "verdict")).select_by_visible_text("passed")
    assert shown() == 0
    form.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert form.find_element(By.TAG_NAME, "output").text.endswith("shown")
    WebDriverWait(browser, 10).until(lambda _: shown() == len(rows))


def test_the_failing_step_is_marked_and_the_leak_is_drawn(browser: webdriver.Chrome, reports: dict[str, Path]) -> None:
    """The rule that fails is unfolded, its last sentence is marked in words, and its chart shows leaked bytes."""
    browser.get((reports[FAULT] / "report.html").as_uri())
    rule = browser.find_element(By.CSS_SELECTOR, "details.rule[data-verdict=nonconforming]")
    marked = rule.find_elements(By.CSS_SELECTOR, "li.failing")
    assert ["✗ decided against" in line.text for line in marked] == [True] * len(marked) != []
    assert rule.find_elements(By.CSS_SELECTOR, "svg.sequence .marked")
    assert rule.find_elements(By.CSS_SELECTOR, "svg.exposure .leak rect")
