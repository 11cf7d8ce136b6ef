import Wire

/// A synthetic camera: a time code that a viewer can read back, and below it a still, textured scene that a band of ever new texture sweeps.
/// The band alone is worth the bitrate; the rest stays as it is, so that drawing and encoding cost little beside what carries the picture.
/// For the same reason the band is as high as its bits need, and lies on the macroblocks' rows.
///
/// The first 32 rows hold squares of 32×32 pixels from the left, least significant bit first, white 1, black 0: Unix time in milliseconds modulo 2^32.
/// A picture narrower than 1024 pixels shows as many of the low bits as fit.
///
/// For people there can be a line with the picture's number and the time of day, and a disc that goes across.
public struct TestPattern: Sendable {
    public static let square = 32
    private static let white: UInt8 = 235
    private static let black: UInt8 = 16

    private var picture: Picture
    private var bandTop = 0
    private var disc: TestDisc?
    /// The picture before, with what moves in it: whoever was given it has let go of it by the time that it is drawn in again, and nothing is
    /// copied.
    private var spare: (picture: Picture, bandTop: Int, disc: TestDisc?)
    private let scene: Picture
    /// What the band shows pieces of.
    private let texture: [UInt8]
    private let bandHeight: Int
    private let showsClock: Bool
    private var random = SeededRandom(seed: 1)
    private var count = 0
    /// Rows of the texture more than a band is high: as many places to begin.
    private static let textureSlack = 256
    /// Pixels more than a picture is wide.
    private static let textureMargin = 1024
    /// Rows and columns of a macroblock.
    private static let block = 16
    /// What an encoder can well spend on a macroblock of the band's texture.
    private static let bitsPerBlock = 700
    /// Pictures until the band moves on by a macroblock.
    private static let picturesPerStep = 8

    /// - Parameters:
    ///   - bitsPerPicture: what an encoder is to spend on each picture, its bitrate over its rate.
    ///   - showsClock: number, time of day (UTC) and disc, which are worth some bits more.
    public init(width: Int, height: Int, bitsPerPicture: Int = 50_000, showsClock: Bool = false) {
        self.showsClock = showsClock
        scene = Self.makeScene(width: width, height: height)
        picture = scene
        spare = (scene, 0, nil)
        let blocks = max(1, bitsPerPicture / Self.bitsPerBlock), blocksPerRow = max(1, width / Self.block)
        bandHeight = min(max(height / 2, 2), (blocks + blocksPerRow - 1) / blocksPerRow * Self.block)
        texture = Self.makeTexture(width: width + Self.textureMargin, height: bandHeight + Self.textureSlack)
    }

    /// Soft waves with a little grain, in colours that change across the picture.
    private static func makeScene(width: Int, height: Int) -> Picture {
        var random = SeededRandom(seed: 2)
        var scene = Picture(width: width, height: height)
        for y in 0..<height {
            for x in 0..<width {
                let wave = triangle(x + y / 3, 127) + triangle(y * 2 + x / 5, 211)
                scene.bytes[y * width + x] = UInt8(60 + wave / 4 + Int(random.next() & 3))
            }
        }
        let planes = scene.planes
        for row in 0..<(height / 2) {
            for column in 0..<(width / 2) {
                scene.bytes[planes.blue + row * width / 2 + column] = UInt8(108 + row * 40 / height)
                scene.bytes[planes.red + row * width / 2 + column] = UInt8(118 + column * 30 / width)
            }
        }
        return scene
    }

    /// Patches of several sizes on top of each other: an encoder finds detail for whatever it may spend, and little is left when it may spend little.
    private static func makeTexture(width: Int, height: Int) -> [UInt8] {
        var random = SeededRandom(seed: 3)
        var texture = [UInt8](repeating: 64, count: width * height)
        for (patch, strength) in [(16, 63), (4, 31), (1, 31)] {
            var heights = [UInt8](repeating: 0, count: (width + patch - 1) / patch)
            for y in 0..<height {
                if y % patch == 0 {
                    for index in heights.indices { heights[index] = UInt8(truncatingIfNeeded: random.next() & UInt64(strength)) }
                }
                for x in 0..<width { texture[y * width + x] += heights[x / patch] }
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
        swap(&picture, &spare.picture)
        swap(&bandTop, &spare.bandTop)
        swap(&disc, &spare.disc)
        disc?.erase(from: &picture, scene: scene)
        moveBand()
        if showsClock { drawClock(unixMilliseconds) }
        drawTimeCode(UInt32(truncatingIfNeeded: unixMilliseconds))
        count += 1
        return picture
    }

    /// The scene comes back where the band was; the band shows another place of the texture each time, too far off for a motion search.
    private mutating func moveBand() {
        let width = picture.width, ways = picture.height - Self.square - bandHeight
        guard ways > 0 else { return }
        copyRows(bandTop..<(bandTop + bandHeight))
        bandTop = Self.square + count / Self.picturesPerStep * Self.block % ways
        let stride = width + Self.textureMargin
        let place = random.next()
        let source = Int(place % UInt64(Self.textureSlack)) * stride + Int(place >> 32) % Self.textureMargin
        for row in 0..<bandHeight {
            let target = (bandTop + row) * width
            picture.bytes.replaceSubrange(
                target..<(target + width), with: texture[(source + row * stride)..<(source + row * stride + width)])
        }
    }

    private mutating func copyRows(_ rows: Range<Int>) {
        let range = (rows.lowerBound * picture.width)..<(rows.upperBound * picture.width)
        picture.bytes.replaceSubrange(range, with: scene.bytes[range])
    }

    private mutating func drawClock(_ unixMilliseconds: Int64) {
        let disc = TestDisc(count: count, width: picture.width, height: picture.height)
        disc.draw(on: &picture)
        self.disc = disc
        let scale = max(1, picture.width / 320)
        picture.draw(
            "#\(Self.digits(count, 6))  \(Self.timeOfDay(unixMilliseconds)) UTC", x: 0, y: Self.square + 2 * scale, scale: scale)
    }

    private static func timeOfDay(_ unixMilliseconds: Int64) -> String {
        let day: Int64 = 86_400_000
        let time = Int((unixMilliseconds % day + day) % day)
        return "\(digits(time / 3_600_000, 2)):\(digits(time / 60_000 % 60, 2)):\(digits(time / 1000 % 60, 2)).\(digits(time % 1000, 3))"
    }

    private static func digits(_ number: Int, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
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
