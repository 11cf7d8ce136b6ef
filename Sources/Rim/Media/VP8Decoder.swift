internal import CVPX
import RTC

/// VP8 by libvpx.
@safe public final class VP8Decoder: VideoDecoder {
    public let codec = CodecKind.vp8
    private let context: UnsafeMutablePointer<vpx_codec_ctx_t>

    public init() throws(MediaError) {
        unsafe context = .allocate(capacity: 1)
        unsafe context.initialize(to: vpx_codec_ctx_t())
        let code = unsafe waldo_vp8_decoder_init(context)
        guard code == VPX_CODEC_OK else { throw .library("vpx_codec_dec_init", code: Int(code.rawValue)) }
    }

    deinit {
        _ = unsafe vpx_codec_destroy(context)
        unsafe context.deallocate()
    }

    public func decode(_ frame: [UInt8]) throws(MediaError) -> Picture? {
        try check(frame)
        let code = unsafe frame.withUnsafeBufferPointer { bytes in
            unsafe vpx_codec_decode(context, bytes.baseAddress, UInt32(bytes.count), nil, 0)
        }
        guard code == VPX_CODEC_OK else { throw .library("vpx_codec_decode", code: Int(code.rawValue)) }
        var iterator: vpx_codec_iter_t?
        guard let image = unsafe vpx_codec_get_frame(context, &iterator) else { return nil }
        var isCorrupt: Int32 = 0
        _ = unsafe waldo_vp8_is_corrupt(context, &isCorrupt)
        guard isCorrupt == 0 else { throw .library("VP8: a frame that builds on one that was lost", code: Int(isCorrupt)) }
        let planes = unsafe image.pointee.planes, stride = unsafe image.pointee.stride
        let (width, height) = unsafe (Int(image.pointee.d_w), Int(image.pointee.d_h))
        guard width >= 2, height >= 2, let luma = unsafe planes.0, let blue = unsafe planes.1, let red = unsafe planes.2 else {
            throw .settings("frame: expected a picture of at least 2x2 pixels, got \(width)x\(height)")
        }
        return unsafe Picture(
            width: width, height: height, luma: luma, blue: blue, red: red, stride: Int(stride.0), chromaStride: Int(stride.1))
    }

    /// A key frame of ten bytes may ask for 16383×16383 pixels (RFC 6386 clause 9.1): that is refused before memory is taken.
    private func check(_ frame: [UInt8]) throws(MediaError) {
        guard frame.count > 0, frame.count < 1 << 24 else { throw .settings("frame: expected 1 to 16777215 bytes, got \(frame.count)") }
        guard frame[0] & 1 == 0 else { return }
        guard frame.count >= 10 else { throw .settings("frame: expected a key frame of at least 10 bytes, got \(frame.count)") }
        let width = Int(frame[6]) | Int(frame[7] & 0x3F) << 8, height = Int(frame[8]) | Int(frame[9] & 0x3F) << 8
        guard width * height <= Picture.mostDecodedPixels else {
            throw .settings("frame: expected at most \(Picture.mostDecodedPixels) pixels, got \(width)x\(height)")
        }
    }
}
