internal import CYUV

/// Rows of 32-bit pixels (blue, green, red, unused) that somebody else owns, such as a window's. Nothing is drawn beyond its edges.
@safe public struct PixelSurface {
    private let pixels: UnsafeMutablePointer<UInt32>
    public let width: Int
    public let height: Int
    private let stride: Int

    /// `stride`: pixels from one row to the next. The pixels must stay where they are while this is used.
    @unsafe public init(pixels: UnsafeMutablePointer<UInt32>, width: Int, height: Int, stride: Int) {
        precondition(width >= 0 && height >= 0 && stride >= width, "a row of \(width) pixels cannot lie in one of \(stride)")
        unsafe (self.pixels, self.width, self.height, self.stride) = (pixels, width, height, stride)
    }

    /// 0xRRGGBB.
    public func pixel(x: Int, y: Int) -> UInt32 {
        precondition((0..<width).contains(x) && (0..<height).contains(y), "(\(x), \(y)) is outside")
        return unsafe pixels[y * stride + x] & 0xFF_FFFF
    }

    /// The picture as it is; what lies outside is left out.
    public mutating func draw(_ picture: Picture, x: Int, y: Int) {
        guard x >= 0, y >= 0, x < width, y < height else { return }
        let (columns, rows) = (min(picture.width, width - x), min(picture.height, height - y))
        let planes = picture.planes, wide = Int32(picture.width)
        let code = unsafe picture.bytes.withUnsafeBufferPointer { source in
            let source = source.baseAddress!
            return unsafe UnsafeMutableRawPointer(pixels + y * stride + x).withMemoryRebound(to: UInt8.self, capacity: rows * stride * 4) {
                unsafe I420ToARGB(
                    source, wide, source + planes.blue, wide / 2, source + planes.red, wide / 2, $0, Int32(stride * 4), Int32(columns),
                    Int32(rows))
            }
        }
        precondition(code == 0, "I420ToARGB refuses sizes that a picture can have: \(code)")
    }

    public mutating func fill(x: Int, y: Int, width: Int, height: Int, colour: UInt32) {
        unsafe change(x, y, width, height) { unsafe $0.update(repeating: colour) }
    }

    /// Black everywhere else.
    public mutating func fillOutside(x: Int, y: Int, width: Int, height: Int) {
        fill(x: 0, y: 0, width: self.width, height: y, colour: 0)
        fill(x: 0, y: y + height, width: self.width, height: self.height - y - height, colour: 0)
        fill(x: 0, y: y, width: x, height: height, colour: 0)
        fill(x: x + width, y: y, width: self.width - x - width, height: height, colour: 0)
    }

    /// To a quarter of its light: what is written there can be read whatever lies under it.
    public mutating func darken(x: Int, y: Int, width: Int, height: Int) {
        unsafe change(x, y, width, height) { row in
            for index in row.indices { unsafe row[index] = row[index] >> 2 & 0x3F_3F3F }
        }
    }

    /// ASCII, in `BitmapFont`, with its upper left corner there; each point of the font is `scale` pixels wide and high.
    public mutating func draw(_ text: String, x: Int, y: Int, scale: Int, colour: UInt32) {
        var left = x
        for character in text.utf8 {
            guard left < width else { return }
            for run in BitmapFont.runs(character) {
                fill(x: left + run.column * scale, y: y + run.row * scale, width: run.length * scale, height: scale, colour: colour)
            }
            left += BitmapFont.width * scale
        }
    }

    private mutating func change(_ x: Int, _ y: Int, _ width: Int, _ height: Int, _ body: (UnsafeMutableBufferPointer<UInt32>) -> Void) {
        let (left, right) = (max(0, x), min(self.width, x + width))
        guard left < right else { return }
        for row in max(0, y)..<max(0, y, min(self.height, y + height)) {
            unsafe body(UnsafeMutableBufferPointer(start: pixels + row * stride + left, count: right - left))
        }
    }
}
