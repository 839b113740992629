"""
An IOMMU driver that ends all mappings in its own ExitBootServices handler, while devices still run.

Breaks: T32, T36, T37, T50
"""

from right_iommu_driver import RightIommuDriver

from sevconf.vocabulary import Tpl


class TearsDownAtOnce(RightIommuDriver):
    """Comes first, by its level, and does not wait for others."""

    handler_tpl = Tpl.NOTIFY

    def on_exit_boot_services(self) -> None:
        """Tear down."""
        self.tear_down()
