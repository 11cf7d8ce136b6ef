internal import CYUV

extension Picture {
    /// From packed RGB, 3 bytes a pixel without padding; `isBottomUp`: the last row comes first, as OpenGL reads pictures.
    public init(rgb: UnsafeRawBufferPointer, width: Int, height: Int, isBottomUp: Bool = false) throws(MediaError) {
        try unsafe self.init(rgb, 3, width, height, isBottomUp, RAWToI420)
    }

    /// From packed RGBA, 4 bytes a pixel without padding.
    public init(rgba: UnsafeRawBufferPointer, width: Int, height: Int, isBottomUp: Bool = false) throws(MediaError) {
        try unsafe self.init(rgba, 4, width, height, isBottomUp, ABGRToI420)
    }

    private typealias Conversion = (
        UnsafePointer<UInt8>?, Int32, UnsafeMutablePointer<UInt8>?, Int32, UnsafeMutablePointer<UInt8>?, Int32,
        UnsafeMutablePointer<UInt8>?,
        Int32, Int32, Int32
    ) -> Int32

    private init(
        _ pixels: UnsafeRawBufferPointer, _ bytesPerPixel: Int, _ width: Int, _ height: Int, _ isBottomUp: Bool, _ convert: Conversion
    ) throws(MediaError) {
        guard Self.canBe(width, height) else { throw .settings("size: expected even numbers, got \(width)x\(height)") }
        guard pixels.count == width * height * bytesPerPixel, let base = pixels.baseAddress else {
            throw .settings("pixels: expected \(width * height * bytesPerPixel) bytes, got \(pixels.count)")
        }
        let chroma = width * height
        var code: Int32 = 0
        unsafe self.init(width: width, height: height) { target in
            code = unsafe convert(
                base.assumingMemoryBound(to: UInt8.self), Int32(width * bytesPerPixel), target, Int32(width), target + chroma,
                Int32(width / 2), target + chroma * 5 / 4, Int32(width / 2), Int32(width), Int32(isBottomUp ? -height : height))
        }
        guard code == 0 else { throw .library("libyuv conversion", code: Int(code)) }
    }

    static func canBe(_ width: Int, _ height: Int) -> Bool {
        (2...16_384).contains(width) && (2...16_384).contains(height) && width % 2 == 0 && height % 2 == 0
    }

    /// The same view at another size, both numbers even.
    public func scaled(toWidth width: Int, height: Int) throws(MediaError) -> Picture {
        guard Self.canBe(width, height) else { throw .settings("size: expected even numbers from 2 to 16384, got \(width)x\(height)") }
        var target = Picture(width: width, height: height)
        scale(into: &target)
        return target
    }

    /// Fills the other picture, whatever its size, with this view.
    public func scale(into target: inout Picture) {
        let (from, to) = (planes, target.planes)
        let (width, height, targetWidth, targetHeight) = (Int32(width), Int32(height), Int32(target.width), Int32(target.height))
        let code = unsafe bytes.withUnsafeBufferPointer { source in
            unsafe target.bytes.withUnsafeMutableBufferPointer { target in
                let (source, target) = (source.baseAddress!, target.baseAddress!)
                return unsafe I420Scale(
                    source, width, source + from.blue, width / 2, source + from.red, width / 2, width, height,
                    target, targetWidth, target + to.blue, targetWidth / 2, target + to.red, targetWidth / 2, targetWidth, targetHeight,
                    kFilterBox)
            }
        }
        precondition(code == 0, "I420Scale refuses sizes that a picture can have: \(code)")
    }

    /// Blue, green, red and an unused byte for each pixel.
    func writeBGRX(into target: inout [UInt8]) {
        let count = width * height * 4
        if target.count != count { target = Array(repeating: 0, count: count) }
        let planes = planes, (width, height) = (Int32(width), Int32(height))
        let code = unsafe bytes.withUnsafeBufferPointer { source in
            unsafe target.withUnsafeMutableBufferPointer { target in
                let source = source.baseAddress!
                return unsafe I420ToARGB(
                    source, width, source + planes.blue, width / 2, source + planes.red, width / 2, target.baseAddress!, width * 4, width,
                    height)
            }
        }
        precondition(code == 0, "I420ToARGB refuses sizes that a picture can have: \(code)")
    }
}
