/// An uncompressed picture, planar YCbCr 4:2:0 (I420), BT.601 limited range: luma rows, then the two chroma planes, each without padding.
public struct Picture: Sendable {
    /// Pixels; both even.
    public let width: Int
    public let height: Int
    /// `width * height * 3 / 2` bytes.
    public var bytes: [UInt8]

    /// A mid-grey picture.
    public init(width: Int, height: Int) {
        precondition(width > 0 && height > 0 && width % 2 == 0 && height % 2 == 0, "4:2:0 needs even sizes, got \(width)x\(height)")
        self.width = width
        self.height = height
        bytes = Array(repeating: 128, count: width * height * 3 / 2)
    }

    /// Where each plane begins: luma, Cb, Cr.
    public var planes: (luma: Int, blue: Int, red: Int) { (0, width * height, width * height * 5 / 4) }

    /// `fill` writes all of the bytes.
    package init(width: Int, height: Int, _ fill: (UnsafeMutablePointer<UInt8>) throws -> Void) rethrows {
        precondition(width > 0 && height > 0 && width % 2 == 0 && height % 2 == 0, "4:2:0 needs even sizes, got \(width)x\(height)")
        self.width = width
        self.height = height
        let count = width * height * 3 / 2
        bytes = try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe try fill(buffer.baseAddress!)
            initialized = count
        }
    }
}
