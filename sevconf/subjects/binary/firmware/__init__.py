"""The firmware beneath a binary: tables, services over the reference core, handles, images, what the platform tells."""
