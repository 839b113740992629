"""
Image services for binaries: what is loaded already can be asked about; nothing is loaded on a binary's behalf.

Spec: UEFI 2.10, 7.4 "Image Services".
Left out: LoadImage and StartImage of files, and ConnectController of drivers to devices: a target names its images.
"""

from typing import Any

from sevconf.subjects.binary.firmware.base import Services
from sevconf.vocabulary import EfiStatus


class Exited(Exception):
    """An image called Exit; its entry point does not return."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ImageServices(Services):
    """The image services, and those of the UEFI driver model."""

    def load_image(self, policy: int, parent: int, path: int, source: int, size: int) -> Any:
        """LoadImage."""
        with self.recorder.service("LoadImage", "core", size=size) as call:
            del policy, parent, path, source
            return call.returns(EfiStatus.NOT_FOUND)

    def start_image(self, image: int) -> EfiStatus:
        """StartImage."""
        with self.recorder.service("StartImage", "core", image=image) as call:
            return call.returns(EfiStatus.INVALID_PARAMETER)

    def exit(self, image: int, status: int, data_size: int, data: int) -> EfiStatus:
        """Exit."""
        del image, data_size, data
        with self.recorder.service("Exit", "core", status=status) as call:
            call.returns(EfiStatus.SUCCESS)
        raise Exited(status)

    def unload_image(self, image: int) -> EfiStatus:
        """UnloadImage."""
        with self.recorder.service("UnloadImage", "core", image=image) as call:
            return call.returns(EfiStatus.UNSUPPORTED)

    def connect_controller(self, controller: int, drivers: int, path: int, recursive: int) -> EfiStatus:
        """ConnectController."""
        del drivers, path, recursive
        with self.recorder.service("ConnectController", "core", controller=controller) as call:
            return call.returns(EfiStatus.NOT_FOUND)

    def disconnect_controller(self, controller: int, driver: int, child: int) -> EfiStatus:
        """DisconnectController."""
        del driver, child
        with self.recorder.service("DisconnectController", "core", controller=controller) as call:
            return call.returns(EfiStatus.SUCCESS)
