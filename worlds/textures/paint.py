"""Paints the pictures of home.xml. Needs numpy and pillow: python3 worlds/textures/paint.py"""
import pathlib

import numpy
from PIL import Image, ImageDraw, ImageFilter

here = pathlib.Path(__file__).parent
random = numpy.random.default_rng(4)


def save(name, picture, colours=48):
    picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(here / name, optimize=True)


def grain(height, width, along, across):
    """Soft noise, drawn out in one direction."""
    noise = random.normal(0, 1, (height // across + 2, width // along + 2))
    image = Image.fromarray(noise.astype("float32")).resize((width, height), Image.Resampling.BICUBIC)
    return numpy.asarray(image)


def floor():
    """Oak boards: eight rows, each board with its own tone; begins again at its edges."""
    size, rows = 512, 8
    board = size // rows
    canvas = numpy.zeros((size, size, 3))
    base = numpy.array([176, 128, 84.0])
    for row in range(rows):
        start = int(random.integers(0, size))
        for half in range(2):
            tone = random.uniform(0.86, 1.1)
            warmth = numpy.array([1, random.uniform(0.97, 1.02), random.uniform(0.9, 1.02)])
            width = size // 2
            wood = grain(board, width, 48, 3) * 0.045 + grain(board, width, 90, 12) * 0.05
            piece = base * tone * warmth * (1 + wood[..., None])
            piece[:2] *= 0.72
            piece[:, :2] *= 0.76
            columns = (numpy.arange(width) + start + half * width) % size
            canvas[row * board : (row + 1) * board, columns] = piece
    save("floor.png", Image.fromarray(canvas.clip(0, 255).astype("uint8")), 40)


def rug():
    """A woven rug with a border and diamonds."""
    width, height = 384, 256
    picture = Image.new("RGB", (width, height), (188, 74, 60))
    pen = ImageDraw.Draw(picture)
    for inset, colour in ((8, (240, 226, 200)), (14, (36, 72, 104)), (34, (240, 226, 200)), (39, (196, 84, 66))):
        pen.rectangle((inset, inset, width - 1 - inset, height - 1 - inset), fill=colour)
    for x in range(24, width - 16, 24):
        for y in (24, height - 25):
            pen.polygon(((x - 8, y), (x, y - 7), (x + 8, y), (x, y + 7)), fill=(224, 168, 80))
    for row, y in enumerate(range(70, height - 50, 39)):
        for x in range(78 + row % 2 * 38, width - 60, 76):
            pen.polygon(((x - 30, y), (x, y - 17), (x + 30, y), (x, y + 17)), fill=(36, 72, 104))
            pen.polygon(((x - 18, y), (x, y - 10), (x + 18, y), (x, y + 10)), fill=(224, 168, 80))
            pen.polygon(((x - 7, y), (x, y - 4), (x + 7, y), (x, y + 4)), fill=(240, 226, 200))
    weave = numpy.asarray(picture).astype(float) * (1 + 0.06 * (numpy.indices((height, width)).sum(0) % 4 < 2))[..., None] * 0.95
    save("rug.png", Image.fromarray(weave.clip(0, 255).astype("uint8")))


def outside():
    """What the window shows: an afternoon sky, hills, trees."""
    width, height = 320, 256
    rows = numpy.linspace(0, 1, height)[:, None, None]
    sky = numpy.array([120, 178, 232]) * (1 - rows) + numpy.array([226, 240, 250]) * rows
    picture = Image.fromarray(numpy.broadcast_to(sky, (height, width, 3)).astype("uint8").copy())
    clouds = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(clouds)
    for x, y, r in ((60, 60, 16), (80, 54, 22), (104, 62, 16), (210, 92, 12), (228, 86, 18), (250, 92, 13)):
        pen.ellipse((x - r * 1.5, y - r * 0.7, x + r * 1.5, y + r * 0.7), fill=225)
    picture.paste((255, 255, 255), mask=clouds.filter(ImageFilter.GaussianBlur(4)))
    pen = ImageDraw.Draw(picture)
    for bottom, rise, colour, period in ((168, 20, (142, 182, 168), 90), (190, 16, (112, 164, 108), 61), (212, 12, (84, 140, 74), 47)):
        line = [(x, bottom - rise * numpy.sin(x / period * 2 + bottom)) for x in range(0, width + 4, 4)]
        pen.polygon(line + [(width, height), (0, height)], fill=colour)
    for x, y, r in ((38, 176, 20), (262, 182, 24), (292, 190, 17), (150, 204, 12)):
        pen.rectangle((x - 2, y, x + 2, y + r + 10), fill=(96, 70, 50))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(58, 112, 60))
        pen.ellipse((x - r * 0.7, y - r * 0.9, x + r * 0.5, y + r * 0.2), fill=(78, 136, 72))
    save("outside.png", picture.filter(ImageFilter.GaussianBlur(0.8)), 64)


def painting():
    """Shapes for the wall."""
    picture = Image.new("RGB", (256, 192), (238, 228, 208))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((150, 22, 222, 94), fill=(226, 122, 62))
    pen.polygon(((0, 150), (70, 62), (150, 160), (150, 192), (0, 192)), fill=(44, 92, 112))
    pen.polygon(((70, 176), (170, 88), (256, 170), (256, 192), (60, 192)), fill=(84, 142, 138))
    pen.polygon(((0, 170), (256, 156), (256, 192), (0, 192)), fill=(226, 190, 128))
    for x in range(12, 250, 34):
        pen.line((x, 172, x + 18, 170), fill=(250, 240, 220), width=2)
    save("painting.png", picture, 32)


def fabric():
    """The sofa's weave: begins again at its edges."""
    size = 64
    y, x = numpy.indices((size, size))
    threads = 0.9 + 0.06 * ((x // 2 + y // 2) % 2) + random.normal(0, 0.018, (size, size))
    save("fabric.png", Image.fromarray((numpy.array([255, 255, 255]) * threads[..., None]).clip(0, 255).astype("uint8")), 24)


def plaster():
    """A wall, lighter towards the ceiling; not to be repeated."""
    width, height = 256, 128
    rows = numpy.linspace(1.03, 0.88, height)[:, None]
    tone = rows + grain(height, width, 9, 9) * 0.006
    save("plaster.png", Image.fromarray((numpy.array([236, 228, 214]) * tone[..., None]).clip(0, 255).astype("uint8")), 32)


def spines():
    """The backs of books beside each other, to be coloured; begins again at its edges."""
    rows = numpy.ones(64)
    for top, bottom, tone in ((0, 11, 1.0), (11, 25, 0.78), (25, 34, 0.92), (34, 48, 0.68), (48, 64, 0.86)):
        rows[top:bottom] = tone * (1 - 0.25 * numpy.abs(numpy.linspace(-1, 1, bottom - top)) ** 3)
        rows[bottom - 1] = 0.3
    save("spines.png", Image.fromarray((255 * numpy.broadcast_to(rows[None, :, None], (64, 64, 3))).astype("uint8")), 32)


def shade():
    """Nothing, with a soft dark middle: the shadow that lies under things."""
    size = 64
    y, x = (numpy.indices((size, size)) - (size - 1) / 2) / (size / 2)
    depth = (1 - numpy.hypot(x, y)).clip(0, 1) ** 0.8
    picture = numpy.zeros((size, size, 4), "uint8")
    picture[..., 3] = (depth * 170).astype("uint8")
    Image.fromarray(picture).save(here / "shade.png", optimize=True)


for paint in (floor, rug, outside, painting, fabric, plaster, spines, shade):
    paint()
