"""Images as users have them: folders, files, arrays, tables of pictures. `open_images` finds the right reader."""

from selftaught.data.image.opening import open_images

__all__ = ["open_images"]
