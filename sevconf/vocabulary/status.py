"""
Status codes of UEFI services.

Spec: UEFI 2.10, appendix D "Status Codes".
"""

from enum import IntEnum

_ERROR = 1 << 63


class EfiStatus(IntEnum):
    """What a service returned: a value to observe, never an exception."""

    SUCCESS = 0
    LOAD_ERROR = _ERROR | 1
    INVALID_PARAMETER = _ERROR | 2
    UNSUPPORTED = _ERROR | 3
    BAD_BUFFER_SIZE = _ERROR | 4
    BUFFER_TOO_SMALL = _ERROR | 5
    NOT_READY = _ERROR | 6
    DEVICE_ERROR = _ERROR | 7
    WRITE_PROTECTED = _ERROR | 8
    OUT_OF_RESOURCES = _ERROR | 9
    VOLUME_CORRUPTED = _ERROR | 10
    VOLUME_FULL = _ERROR | 11
    NO_MEDIA = _ERROR | 12
    MEDIA_CHANGED = _ERROR | 13
    NOT_FOUND = _ERROR | 14
    ACCESS_DENIED = _ERROR | 15
    NO_RESPONSE = _ERROR | 16
    NO_MAPPING = _ERROR | 17
    TIMEOUT = _ERROR | 18
    NOT_STARTED = _ERROR | 19
    ALREADY_STARTED = _ERROR | 20
    ABORTED = _ERROR | 21
    PROTOCOL_ERROR = _ERROR | 24
    INCOMPATIBLE_VERSION = _ERROR | 25
    SECURITY_VIOLATION = _ERROR | 26
    CRC_ERROR = _ERROR | 27
    END_OF_MEDIA = _ERROR | 28
    END_OF_FILE = _ERROR | 31
    INVALID_LANGUAGE = _ERROR | 32
    COMPROMISED_DATA = _ERROR | 33

    @property
    def is_error(self) -> bool:
        """Whether the service failed."""
        return self is not EfiStatus.SUCCESS

    def __str__(self) -> str:
        return f"EFI_{self.name}"
