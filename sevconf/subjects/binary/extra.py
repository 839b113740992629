"""The libraries that only binaries need: the extra `efi`."""

from importlib.util import find_spec

from sevconf.errors import UsageError

#: What the extra installs, by the names under which it is imported.
MODULES = ("capstone", "pefile", "uefi_firmware", "unicorn")


def check() -> None:
    """
    Look whether the extra is there.

    Raises:
        UsageError: a library is missing.

    """
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"to judge binaries sevconf needs {', '.join(missing)}", hint="install them: pip install 'sevconf[efi]'"
        )
