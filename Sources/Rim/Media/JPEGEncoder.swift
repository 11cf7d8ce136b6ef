internal import CTurboJPEG

/// Baseline JPEG, 4:2:0, for snapshots and MJPEG. Used by one thread at a time.
@safe public final class JPEGEncoder {
    private let compressor: tjhandle
    private var pixels: [UInt8] = []
    private var small: Picture?

    public init() throws(MediaError) {
        guard let compressor = unsafe tjInitCompress() else { throw .library("tjInitCompress", code: -1) }
        unsafe self.compressor = compressor
    }

    deinit { _ = unsafe tjDestroy(compressor) }

    /// `quality`: 1…100. `width`: makes the picture smaller, never larger, and keeps its shape; pixels, from 16.
    public func encode(_ picture: Picture, quality: Int = 80, width: Int? = nil) throws(MediaError) -> [UInt8] {
        guard (1...100).contains(quality) else { throw .settings("quality: expected 1 to 100, got \(quality)") }
        guard let width, width < picture.width else { return try compress(picture, quality) }
        guard width >= 16 else { throw .settings("width: expected at least 16, got \(width)") }
        let size = (width: width & ~1, height: max(2, picture.height * width / picture.width & ~1))
        if small?.width != size.width || small?.height != size.height { small = Picture(width: size.width, height: size.height) }
        // Taken out while it is written, so that nothing is copied.
        guard var target = small.take() else { return [] }
        picture.scale(into: &target)
        defer { small = target }
        return try compress(target, quality)
    }

    /// JPEG's YCbCr spans the full range (JFIF) and ours the limited one: the way goes over RGB, whose conversions are both vector code.
    private func compress(_ picture: Picture, _ quality: Int) throws(MediaError) -> [UInt8] {
        picture.writeBGRX(into: &pixels)
        let capacity = Int(tjBufSize(Int32(picture.width), Int32(picture.height), Int32(TJSAMP_420.rawValue)))
        var code: Int32 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
            var start = buffer.baseAddress
            var count = UInt(capacity)
            code = unsafe tjCompress2(
                compressor, pixels, Int32(picture.width), 0, Int32(picture.height), Int32(TJPF_BGRX.rawValue), &start, &count,
                Int32(TJSAMP_420.rawValue), Int32(quality), TJFLAG_NOREALLOC | TJFLAG_FASTDCT)
            initialized = code == 0 ? Int(count) : 0
        }
        guard code == 0 else { throw .library("tjCompress2", code: Int(code)) }
        return bytes
    }
}
