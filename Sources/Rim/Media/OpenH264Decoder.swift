internal import COpenH264
import RTC

/// H.264 baseline and main by openh264, Annex B. Errors are told, never concealed: what is shown to a driver is what was sent.
@safe public final class OpenH264Decoder: VideoDecoder {
    public let codec = CodecKind.h264
    private let decoder: UnsafeMutablePointer<ISVCDecoder?>

    public init() throws(MediaError) {
        var made: UnsafeMutablePointer<ISVCDecoder?>?
        guard unsafe WelsCreateDecoder(&made) == 0, let made = unsafe made else { throw .library("WelsCreateDecoder", code: -1) }
        unsafe decoder = made
        var quiet: Int32 = 0
        _ = unsafe made.pointee!.pointee.SetOption(made, DECODER_OPTION_TRACE_LEVEL, &quiet)
        var parameters = unsafe SDecodingParam()
        unsafe parameters.uiTargetDqLayer = .max
        unsafe parameters.eEcActiveIdc = ERROR_CON_DISABLE
        unsafe parameters.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC
        let code = unsafe made.pointee!.pointee.Initialize(made, &parameters)
        guard code == 0 else { throw .library("openh264 decoder Initialize", code: Int(code)) }
    }

    deinit {
        _ = unsafe decoder.pointee!.pointee.Uninitialize(decoder)
        unsafe WelsDestroyDecoder(decoder)
    }

    public func decode(_ frame: [UInt8]) throws(MediaError) -> Picture? {
        guard frame.count > 0, frame.count < 1 << 24 else { throw .settings("frame: expected 1 to 16777215 bytes, got \(frame.count)") }
        var planes: (UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?) = (nil, nil, nil)
        var information = SBufferInfo()
        let state = unsafe frame.withUnsafeBufferPointer { bytes in
            unsafe withUnsafeMutablePointer(to: &planes) { planes in
                unsafe planes.withMemoryRebound(to: UnsafeMutablePointer<UInt8>?.self, capacity: 3) { planes in
                    unsafe decoder.pointee!.pointee.DecodeFrameNoDelay(
                        decoder, bytes.baseAddress, Int32(bytes.count), planes, &information)
                }
            }
        }
        guard state == dsErrorFree else { throw .library("openh264 DecodeFrameNoDelay", code: Int(state.rawValue)) }
        guard information.iBufferStatus == 1, let luma = unsafe planes.0, let blue = unsafe planes.1, let red = unsafe planes.2
        else {
            return nil
        }
        let form = unsafe information.UsrData.sSystemBuffer
        let (width, height) = (Int(form.iWidth), Int(form.iHeight))
        guard width >= 2, height >= 2, width * height <= Picture.mostDecodedPixels else {
            throw .settings("frame: expected a picture of 2 to \(Picture.mostDecodedPixels) pixels, got \(width)x\(height)")
        }
        return unsafe Picture(
            width: width, height: height, luma: luma, blue: blue, red: red, stride: Int(form.iStride.0), chromaStride: Int(form.iStride.1))
    }
}
