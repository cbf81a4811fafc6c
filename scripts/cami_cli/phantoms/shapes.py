"""Shapes and textures that synthetic anatomy is drawn with."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Raster:
    """A plane of pixels in millimetres, the middle at (0, 0); x to the right, y down."""

    rows: int
    columns: int
    spacing: float

    @cached_property
    def x(self) -> Plane:
        """Return the x of each column, as one row."""
        return ((np.arange(self.columns, dtype=np.float32) - (self.columns - 1) / 2) * self.spacing)[None, :]

    @cached_property
    def y(self) -> Plane:
        """Return the y of each row, as one column."""
        return ((np.arange(self.rows, dtype=np.float32) - (self.rows - 1) / 2) * self.spacing)[:, None]

    def window(self, x: float, y: float, rx: float, ry: float) -> tuple[slice, slice]:
        """Return the rows and columns of the box around an ellipse, cut at the border."""

        def span(centre: float, radius: float, count: int) -> slice:
            middle = centre / self.spacing + (count - 1) / 2
            reach = radius / self.spacing + 1
            return slice(min(max(int(middle - reach), 0), count), min(max(int(middle + reach) + 2, 0), count))

        return span(y, ry, self.rows), span(x, rx, self.columns)


def paint(image: Plane, raster: Raster, centre: tuple[float, float], radii: tuple[float, float], value: float) -> None:
    """Fill an ellipse. Only the box around it is touched: hundreds of slices have to be a matter of seconds."""
    rows, columns = raster.window(*centre, *radii)
    x, y = raster.x[:, columns] - centre[0], raster.y[rows] - centre[1]
    image[rows, columns][(x / radii[0]) ** 2 + (y / radii[1]) ** 2 <= 1] = value


def inside(raster: Raster, centre: tuple[float, float], radii: tuple[float, float]) -> Mask:
    """Return where an ellipse is."""
    mask: Mask = ((raster.x - centre[0]) / radii[0]) ** 2 + ((raster.y - centre[1]) / radii[1]) ** 2 <= 1
    return mask


def blur(image: Plane, times: int = 1) -> Plane:
    """Blur with a binomial kernel: partial volume, and the correlation of real noise."""
    for _ in range(times):
        rows = np.pad(image, ((1, 1), (0, 0)), mode="edge")
        image = (rows[:-2] + 2 * rows[1:-1] + rows[2:]) * np.float32(0.25)
        columns = np.pad(image, ((0, 0), (1, 1)), mode="edge")
        image = (columns[:, :-2] + 2 * columns[:, 1:-1] + columns[:, 2:]) * np.float32(0.25)
    return image


def enlarge(image: Plane, rows: int, columns: int) -> Plane:
    """Enlarge by linear interpolation."""
    for axis, wanted in ((0, rows), (1, columns)):
        count = image.shape[axis]
        place = np.linspace(0, count - 1, wanted, dtype=np.float32)
        low = np.minimum(place.astype(np.intp), count - 2)
        part = (place - low).reshape((-1, 1) if axis == 0 else (1, -1))
        first = image.take(low, axis)
        image = first + (image.take(low + 1, axis) - first) * part
    return image.astype(np.float32, copy=False)


def texture(rng: np.random.Generator, rows: int, columns: int, coarse: int, octaves: int) -> Plane:
    """Return cloudy texture of unit deviation: noise of `octaves` sizes, the coarsest with `coarse` cells a row."""
    total = np.zeros((2, 2), dtype=np.float32)
    for octave in range(octaves):
        cells = coarse * 2**octave
        size = (cells * rows // columns + 2, cells + 2)
        total = enlarge(total, *size) + rng.standard_normal(size, dtype=np.float32) / 2**octave
    return enlarge(total / np.float32(total.std()), rows, columns)


class NoisePool:
    """Noise as a reconstruction leaves it: correlated between neighbours. One field, cut at a new place each time."""

    def __init__(self, rng: np.random.Generator, rows: int, columns: int, softness: int) -> None:
        self._rows, self._columns = rows, columns
        field = blur(rng.standard_normal((rows * 2, columns * 2), dtype=np.float32), softness)
        self._field = field / np.float32(field.std())

    def cut(self, rng: np.random.Generator) -> Plane:
        """Return a plane of noise of unit deviation."""
        row, column = int(rng.integers(self._rows)), int(rng.integers(self._columns))
        turned = self._field[row : row + self._rows, column : column + self._columns]
        return turned[:: (-1) ** int(rng.integers(2)), :: (-1) ** int(rng.integers(2))]
