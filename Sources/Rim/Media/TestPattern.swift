import Wire

/// A synthetic camera: a time code that a viewer can read back, and below it moving content that is worth its bitrate.
///
/// The first 32 rows hold squares of 32×32 pixels from the left, least significant bit first, white 1, black 0: Unix time in milliseconds modulo 2^32.
/// A picture narrower than 1024 pixels shows as many of the low bits as fit.
public struct TestPattern: Sendable {
    public static let square = 32
    private static let white: UInt8 = 235
    private static let black: UInt8 = 16

    private var picture: Picture
    private let texture: [UInt8]
    private var random = SeededRandom(seed: 1)
    private var count = 0
    private static let textureWidth = 4096
    private static let textureHeight = 1024

    public init(width: Int, height: Int) {
        picture = Picture(width: width, height: height)
        texture = Self.makeTexture()
        let planes = picture.planes
        for row in 0..<(height / 2) {
            for column in 0..<(width / 2) {
                picture.bytes[planes.blue + row * width / 2 + column] = UInt8(108 + row * 40 / height)
                picture.bytes[planes.red + row * width / 2 + column] = UInt8(118 + column * 30 / width)
            }
        }
    }

    /// Soft waves with grain: something for a motion search to follow.
    private static func makeTexture() -> [UInt8] {
        var random = SeededRandom(seed: 2)
        var texture = [UInt8](repeating: 0, count: textureWidth * textureHeight)
        for y in 0..<textureHeight {
            for x in 0..<textureWidth {
                let wave = triangle(x + y / 3, 127) + triangle(y * 2 + x / 5, 211)
                texture[y * textureWidth + x] = UInt8(60 + wave / 4 + Int(random.next() & 15))
            }
        }
        return texture
    }

    private static func triangle(_ value: Int, _ period: Int) -> Int {
        let phase = value % period
        return min(phase, period - phase) * 510 / period
    }

    /// The next picture, with the time that it is told.
    public mutating func next(unixMilliseconds: Int64) -> Picture {
        drawTexture()
        drawBlock()
        drawTimeCode(UInt32(truncatingIfNeeded: unixMilliseconds))
        count += 1
        return picture
    }

    /// The scene pans three pixels a frame; a band of it shimmers, which no motion search can follow.
    private mutating func drawTexture() {
        let width = picture.width, height = picture.height
        let shift = (count * 3) % (Self.textureWidth / 2)
        let columns = min(width, Self.textureWidth / 2)
        for row in min(Self.square, height)..<height {
            let source = ((row + count) % Self.textureHeight) * Self.textureWidth + shift
            let target = row * width
            for start in stride(from: 0, to: width, by: columns) {
                let end = min(start + columns, width)
                picture.bytes.replaceSubrange((target + start)..<(target + end), with: texture[source..<(source + end - start)])
            }
        }
        let band = height / 2
        for row in band..<min(band + height / 12, height) {
            for start in stride(from: row * width, to: (row + 1) * width - 7, by: 8) {
                var bits = random.next()
                for offset in 0..<8 {
                    picture.bytes[start + offset] = UInt8(110 + bits & 31)
                    bits >>= 8
                }
            }
        }
    }

    private mutating func drawBlock() {
        let side = 64
        guard picture.width > 2 * side, picture.height > 3 * side else { return }
        let left = (count * 7) % (picture.width - side), top = Self.square + (count * 5) % (picture.height - Self.square - side)
        for row in top..<(top + side) {
            let start = row * picture.width + left
            for index in start..<(start + side) { picture.bytes[index] = Self.white }
        }
    }

    private mutating func drawTimeCode(_ code: UInt32) {
        for bit in 0..<min(32, picture.width / Self.square) {
            let value = code >> UInt32(bit) & 1 == 1 ? Self.white : Self.black
            for row in 0..<min(Self.square, picture.height) {
                let start = row * picture.width + bit * Self.square
                for index in start..<(start + Self.square) { picture.bytes[index] = value }
            }
        }
        // Grey chroma under the code, so that white is white.
        let planes = picture.planes, half = picture.width / 2
        for row in 0..<(Self.square / 2) {
            for column in 0..<min(half, 32 * Self.square / 2) {
                picture.bytes[planes.blue + row * half + column] = 128
                picture.bytes[planes.red + row * half + column] = 128
            }
        }
    }

    /// Reads the time code back from a picture's luma: the bits that its width shows.
    public static func readTimeCode(_ picture: Picture) -> UInt32 {
        var code: UInt32 = 0
        for bit in 0..<min(32, picture.width / square) where picture.bytes[16 * picture.width + bit * square + 16] > 128 {
            code |= 1 << UInt32(bit)
        }
        return code
    }
}
