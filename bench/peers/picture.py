"""The test picture of `waldo bench source`, drawn in Python for the peers: a still scene, a band of ever new texture, a time code."""

import random
import time

SQUARE = 32
WHITE, BLACK = b"\xeb" * SQUARE, b"\x10" * SQUARE


class Picture:
    """I420 without padding; `draw` answers the next picture as a bytearray that is drawn into again."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        generator = random.Random(2)
        luma = bytearray(width * height)
        grain = generator.randbytes(width * height)
        for y in range(height):
            base = y * width
            row_wave = y * 2
            for x in range(width):
                a, b = (x + y // 3) % 127, (row_wave + x // 5) % 211
                luma[base + x] = 60 + min(a, 127 - a) * 510 // 127 // 4 + min(b, 211 - b) * 510 // 211 // 4 + (grain[base + x] & 3)
        half_width, half_height = width // 2, height // 2
        blue = b"".join(bytes([108 + row * 40 // height]) * half_width for row in range(half_height))
        red = bytes(118 + column * 30 // width for column in range(half_width)) * half_height
        self.bytes = luma + bytearray(blue + red)
        for plane in (width * height, width * height * 5 // 4):
            for row in range(SQUARE // 2):
                start = plane + row * half_width
                self.bytes[start:start + min(half_width, 512)] = b"\x80" * min(half_width, 512)
        self.scene = bytes(self.bytes[:width * height])
        self.band_height = 16  # what 50,000 bits a picture need, as in TestPattern
        self.texture_rows = 64
        self.stride = width + 1024
        self.texture = self._texture(generator)
        self.top, self.count = SQUARE, 0

    def _texture(self, generator):
        width, height = self.stride, self.band_height + self.texture_rows
        texture = bytearray(b"\x40" * (width * height))
        for patch, strength in ((16, 63), (4, 31), (1, 31)):
            for y in range(height):
                if y % patch == 0:
                    heights = [byte & strength for byte in generator.randbytes(width // patch + 1) for _ in range(patch)]
                start = y * width
                texture[start:start + width] = bytes(map(int.__add__, texture[start:start + width], heights))
        return bytes(texture)

    def draw(self):
        width, size = self.width, self.width * self.band_height
        self.bytes[self.top * width:self.top * width + size] = self.scene[self.top * width:self.top * width + size]
        self.top = SQUARE + self.count // 8 * 16 % (self.height - SQUARE - self.band_height)
        source = random.randrange(self.texture_rows) * self.stride + random.randrange(1024)
        for row in range(self.band_height):
            target = (self.top + row) * width
            begin = source + row * self.stride
            self.bytes[target:target + width] = self.texture[begin:begin + width]
        code = int(time.time() * 1000) & 0xFFFF_FFFF
        line = b"".join(WHITE if code >> bit & 1 else BLACK for bit in range(width // SQUARE if width < 1024 else 32))
        for row in range(SQUARE):
            self.bytes[row * width:row * width + len(line)] = line
        self.count += 1
        return self.bytes
