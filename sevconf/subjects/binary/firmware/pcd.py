"""
The PCD protocol: values by tokens, which are learned as a driver asks for them.

Spec: PI 1.7, volume 3, chapter 8; EDK II `MdePkg/Include/Protocol/Pcd.h`.
"""

from collections.abc import Mapping

from sevconf.vocabulary import EfiStatus


class Pcds:
    """
    The platform's PCDs.

    `ordered` has for each width in bytes the values in the order in which drivers first ask for tokens, and the last of
    them for all further ones; `given` are values by token that somebody looked up in the build.
    """

    def __init__(self, ordered: Mapping[int, tuple[int, ...]], given: Mapping[int, int]) -> None:
        self._ordered = ordered
        self._values = dict(given)
        self._asked: dict[int, list[int]] = {width: [] for width in ordered}

    def _get(self, token: int, width: int) -> int:
        if token not in self._values:
            asked = self._asked[width]
            values = self._ordered[width]
            self._values[token] = values[min(len(asked), len(values) - 1)]
            asked.append(token)
        return self._values[token]

    def _set(self, token: int, value: int) -> EfiStatus:
        self._values[token] = value
        return EfiStatus.SUCCESS

    def set_sku(self, sku: int) -> None:
        """SetSku."""

    def get8(self, token: int) -> int:
        """Get8."""
        return self._get(token, 1)

    def get16(self, token: int) -> int:
        """Get16."""
        return self._get(token, 2)

    def get32(self, token: int) -> int:
        """Get32."""
        return self._get(token, 4)

    def get64(self, token: int) -> int:
        """Get64."""
        return self._get(token, 8)

    def get_ptr(self, token: int) -> int:
        """GetPtr: no PCD of the platform is a structure."""
        del token
        return 0

    def get_bool(self, token: int) -> int:
        """GetBool."""
        return self._get(token, 1)

    def get_size(self, token: int) -> int:
        """GetSize: that of a number."""
        del token
        return 8

    def set8(self, token: int, value: int) -> EfiStatus:
        """Set8."""
        return self._set(token, value)

    set16 = set32 = set64 = set_bool = set8

    def unsupported(self, *_: object) -> EfiStatus:
        """Answer what is not offered: token spaces, structures and notifications."""
        return EfiStatus.UNSUPPORTED
