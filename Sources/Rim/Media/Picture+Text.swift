extension Picture {
    /// ASCII, white on a black box, with the box's upper left corner there. What lies outside is left out.
    public mutating func draw(_ text: String, x: Int, y: Int, scale: Int) {
        let margin = 2 * scale
        fill(
            x: x, y: y, width: text.utf8.count * BitmapFont.width * scale + 2 * margin, height: BitmapFont.height * scale + 2 * margin,
            luma: 16, blue: 128, red: 128)
        var left = x + margin
        for character in text.utf8 {
            for run in BitmapFont.runs(character) {
                fillLuma(
                    left + run.column * scale, y + margin + run.row * scale, run.length * scale, scale, 235)
            }
            left += BitmapFont.width * scale
        }
    }

    /// A box of one colour. Chroma has half the size: its edges lie on even numbers.
    public mutating func fill(x: Int, y: Int, width: Int, height: Int, luma: UInt8, blue: UInt8, red: UInt8) {
        fillLuma(x, y, width, height, luma)
        fillPlane(planes.blue, self.width / 2, self.height / 2, x / 2, y / 2, width / 2, height / 2, blue)
        fillPlane(planes.red, self.width / 2, self.height / 2, x / 2, y / 2, width / 2, height / 2, red)
    }

    private mutating func fillLuma(_ x: Int, _ y: Int, _ width: Int, _ height: Int, _ value: UInt8) {
        fillPlane(0, self.width, self.height, x, y, width, height, value)
    }

    private mutating func fillPlane(
        _ plane: Int, _ planeWidth: Int, _ planeHeight: Int, _ x: Int, _ y: Int, _ width: Int, _ height: Int, _ value: UInt8
    ) {
        let (left, right) = (max(0, x), min(planeWidth, x + width))
        guard left < right else { return }
        for row in max(0, y)..<max(0, y, min(planeHeight, y + height)) {
            let start = plane + row * planeWidth
            for index in (start + left)..<(start + right) { bytes[index] = value }
        }
    }
}
