import RTC

/// One decoder: an encoded frame in, at most one picture out at once. Used by one thread at a time.
public protocol VideoDecoder: AnyObject {
    var codec: CodecKind { get }
    /// Nil: the frame shows nothing. What is no frame, or lacks what it builds on, throws; from the next key frame on all is well again.
    func decode(_ frame: [UInt8]) throws(MediaError) -> Picture?
}

/// Makes the decoder for a video codec.
public func makeVideoDecoder(_ codec: CodecKind) throws(MediaError) -> any VideoDecoder {
    switch codec {
    case .h264: return try OpenH264Decoder()
    case .vp8: return try VP8Decoder()
    case .opus: throw .settings("codec: expected a video codec, got opus")
    }
}

extension Picture {
    /// Pixels that a decoder may make: what comes from outside decides how much memory is taken.
    static let mostDecodedPixels = 4096 * 2304

    /// Copies planes with padding. A picture of an odd size loses its last column or row.
    init(
        width: Int, height: Int, luma: UnsafePointer<UInt8>, blue: UnsafePointer<UInt8>, red: UnsafePointer<UInt8>, stride: Int,
        chromaStride: Int
    ) {
        let (width, height) = (width & ~1, height & ~1)
        unsafe self.init(width: width, height: height) { target in
            var target = unsafe target
            func copy(_ plane: UnsafePointer<UInt8>, _ stride: Int, _ columns: Int, _ rows: Int) {
                for row in 0..<rows {
                    unsafe target.initialize(from: plane + row * stride, count: columns)
                    unsafe target += columns
                }
            }
            unsafe copy(luma, stride, width, height)
            unsafe copy(blue, chromaStride, width / 2, height / 2)
            unsafe copy(red, chromaStride, width / 2, height / 2)
        }
    }
}
