"""The module that pytest collects: every scenario of the suite, bound by pytest-bdd. Needs `-p sevconf.plugin`."""

from pytest_bdd import scenarios

from sevconf.suite.locate import suite_root

scenarios(str(suite_root() / "features"))
