/// Depth in colours: near is blue, far is red (the map that is known as JET), what was not measured is black.
extension Picture {
    /// `depth`: 16-bit little-endian values in millimetres, row by row; a row takes a multiple of four bytes. Nil: too few bytes for that size.
    /// Eight bits of the picture are 0.03 of the depth: 8.5 m and more look the same (specs: teleop-client clause 9).
    public init?(depth bytes: [UInt8], width: Int, height: Int) {
        let stride = (width * 2 + 3) & ~3
        guard width >= 2, height >= 2, bytes.count >= stride * (height - 1) + width * 2 else { return nil }
        self.init(width: width & ~1, height: height & ~1)
        let planes = planes
        for row in 0..<self.height {
            for column in 0..<self.width {
                let place = row * stride + column * 2
                let depth = Int(bytes[place]) | Int(bytes[place + 1]) << 8
                let colour = Self.colours[depth == 0 ? 256 : min(255, depth * 3 / 100)]
                self.bytes[row * self.width + column] = colour.luma
                guard row & 1 == 0, column & 1 == 0 else { continue }
                let chroma = row / 2 * (self.width / 2) + column / 2
                self.bytes[planes.blue + chroma] = colour.blue
                self.bytes[planes.red + chroma] = colour.red
            }
        }
    }

    /// By value, and one more for what was not measured. BT.601, as all pictures here.
    private static let colours: [(luma: UInt8, blue: UInt8, red: UInt8)] = (0...256).map { index in
        guard index < 256 else { return (16, 128, 128) }
        let value = Double(index) / 255
        func ramp(_ middle: Double) -> Double { min(max(1.5 - abs(4 * value - middle), 0), 1) }
        let (red, green, blue) = (ramp(3), ramp(2), ramp(1))
        func byte(_ value: Double) -> UInt8 { UInt8(min(max(value.rounded(), 0), 255)) }
        return (
            byte(16 + 65.481 * red + 128.553 * green + 24.966 * blue), byte(128 - 37.797 * red - 74.203 * green + 112 * blue),
            byte(128 + 112 * red - 93.786 * green - 18.214 * blue)
        )
    }
}
