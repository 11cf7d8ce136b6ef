/// The figure that goes across a test pattern: in from the left, out on the right, up and down meanwhile.
struct TestDisc: Sendable {
    /// Even, as are all of its places: chroma has half the size.
    private let x: Int
    private let y: Int
    private let radius: Int

    /// Pixels from one picture to the next.
    private static let step = 4

    init(count: Int, width: Int, height: Int) {
        radius = max(4, height / 14) & ~1
        x = (count * Self.step % (width + 2 * radius) - radius) & ~1
        // Below the time code and the line of text.
        let top = height / 4 + radius, way = max(1, height - radius - top)
        let phase = count * 2 % (2 * way)
        y = (top + min(phase, 2 * way - phase)) & ~1
    }

    func draw(on picture: inout Picture) {
        for row in stride(from: -radius, to: radius, by: 2) {
            // Half of the chord at the middle of the two rows.
            let half = Self.root(radius * radius - (row + 1) * (row + 1)) & ~1
            picture.fill(x: x - half, y: y + row, width: 2 * half, height: 2, luma: 200, blue: 50, red: 170)
        }
    }

    /// Puts the scene back where it was.
    func erase(from picture: inout Picture, scene: Picture) {
        let planes = picture.planes, (width, height) = (picture.width, picture.height)
        restore(0, width, height, x, y, radius, &picture, scene)
        for plane in [planes.blue, planes.red] { restore(plane, width / 2, height / 2, x / 2, y / 2, radius / 2, &picture, scene) }
    }

    private func restore(
        _ plane: Int, _ width: Int, _ height: Int, _ x: Int, _ y: Int, _ radius: Int, _ picture: inout Picture, _ scene: Picture
    ) {
        let (left, right) = (max(0, x - radius), min(width, x + radius))
        guard left < right else { return }
        for row in max(0, y - radius)..<max(0, y - radius, min(height, y + radius)) {
            let range = (plane + row * width + left)..<(plane + row * width + right)
            picture.bytes.replaceSubrange(range, with: scene.bytes[range])
        }
    }

    private static func root(_ square: Int) -> Int { square <= 0 ? 0 : Int(Double(square).squareRoot()) }
}
