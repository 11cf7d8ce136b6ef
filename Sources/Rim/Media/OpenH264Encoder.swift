internal import COpenH264
import RTC

/// H.264 constrained baseline by openh264, one slice a frame, no B-frames, key frames only when asked.
@safe public final class OpenH264Encoder: VideoEncoder {
    public let codec = CodecKind.h264
    private let settings: VideoEncoderSettings
    private let encoder: UnsafeMutablePointer<ISVCEncoder?>
    private var count: Int64 = 0
    /// bit/s.
    private var current: Int
    /// openh264 gives a key frame four times the mean frame, which a narrow path takes a quarter of a second for. It is told a lower rate for
    /// just that picture: somebody who joins sees sooner, the others wait less, and the next frames make it sharp.
    private static let keyFrameShare = 0.5

    public init(_ settings: VideoEncoderSettings) throws(MediaError) {
        try settings.check()
        self.settings = settings
        current = settings.bitrate
        var made: UnsafeMutablePointer<ISVCEncoder?>?
        guard unsafe WelsCreateSVCEncoder(&made) == 0, let made = unsafe made else { throw .library("WelsCreateSVCEncoder", code: -1) }
        unsafe encoder = made
        var quiet: Int32 = 0
        _ = unsafe made.pointee!.pointee.SetOption(made, ENCODER_OPTION_TRACE_LEVEL, &quiet)
        try configure()
    }

    deinit {
        _ = unsafe encoder.pointee!.pointee.Uninitialize(encoder)
        unsafe WelsDestroySVCEncoder(encoder)
    }

    private func configure() throws(MediaError) {
        var parameters = SEncParamExt()
        _ = unsafe encoder.pointee!.pointee.GetDefaultParams(encoder, &parameters)
        parameters.iUsageType = CAMERA_VIDEO_REAL_TIME
        parameters.iPicWidth = Int32(settings.width)
        parameters.iPicHeight = Int32(settings.height)
        parameters.fMaxFrameRate = Float(settings.rate)
        parameters.iTargetBitrate = Int32(settings.bitrate)
        parameters.iMaxBitrate = Int32(settings.bitrate * 5 / 4)
        parameters.iRCMode = RC_BITRATE_MODE
        parameters.iComplexityMode = LOW_COMPLEXITY
        parameters.uiIntraPeriod = 0
        parameters.iMultipleThreadIdc = 1
        parameters.bEnableFrameSkip = false
        parameters.bEnableSceneChangeDetect = false
        parameters.bEnableAdaptiveQuant = false
        parameters.eSpsPpsIdStrategy = CONSTANT_ID
        parameters.sSpatialLayers.0.iVideoWidth = Int32(settings.width)
        parameters.sSpatialLayers.0.iVideoHeight = Int32(settings.height)
        parameters.sSpatialLayers.0.fFrameRate = Float(settings.rate)
        parameters.sSpatialLayers.0.iSpatialBitrate = Int32(settings.bitrate)
        parameters.sSpatialLayers.0.iMaxSpatialBitrate = Int32(settings.bitrate * 5 / 4)
        parameters.sSpatialLayers.0.uiProfileIdc = PRO_BASELINE
        parameters.sSpatialLayers.0.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE
        let code = unsafe encoder.pointee!.pointee.InitializeExt(encoder, &parameters)
        guard code == 0 else { throw .library("openh264 InitializeExt", code: Int(code)) }
    }

    public func encode(_ picture: Picture, forcesKeyFrame: Bool, into frame: inout [UInt8]) throws(MediaError) -> Bool? {
        guard picture.width == settings.width, picture.height == settings.height else {
            throw .settings("picture: expected \(settings.width)x\(settings.height), got \(picture.width)x\(picture.height)")
        }
        let rate = current
        if forcesKeyFrame {
            _ = unsafe encoder.pointee!.pointee.ForceIntraFrame(encoder, true)
            try setBitrate(max(Int(Double(rate) * Self.keyFrameShare), VideoEncoderSettings.bitrates.lowerBound))
        }
        var information = SFrameBSInfo()
        let code = unsafe picture.bytes.withUnsafeBufferPointer { bytes in
            let base = unsafe UnsafeMutablePointer(mutating: bytes.baseAddress!)
            var source = SSourcePicture()
            source.iColorFormat = Int32(videoFormatI420.rawValue)
            source.iPicWidth = Int32(picture.width)
            source.iPicHeight = Int32(picture.height)
            source.iStride = (Int32(picture.width), Int32(picture.width / 2), Int32(picture.width / 2), 0)
            unsafe source.pData = (base + picture.planes.luma, base + picture.planes.blue, base + picture.planes.red, nil)
            source.uiTimeStamp = count * 1000 / Int64(settings.rate)
            return unsafe encoder.pointee!.pointee.EncodeFrame(encoder, &source, &information)
        }
        count += 1
        if forcesKeyFrame { try setBitrate(rate) }
        guard code == 0 else { throw .library("openh264 EncodeFrame", code: Int(code)) }
        guard information.eFrameType != videoFrameTypeSkip, information.iFrameSizeInBytes > 0 else { return nil }
        Self.append(&information, to: &frame)
        return information.eFrameType == videoFrameTypeIDR
    }

    /// The layers' NAL units lie end to end, start codes included.
    private static func append(_ information: inout SFrameBSInfo, to frame: inout [UInt8]) {
        let layers = Int(information.iLayerNum)
        unsafe withUnsafeBytes(of: &information.sLayerInfo) { raw in
            let all = unsafe raw.bindMemory(to: SLayerBSInfo.self)
            for index in 0..<min(layers, all.count) {
                let layer = unsafe all[index]
                var length = 0
                for unit in unsafe 0..<Int(layer.iNalCount) { unsafe length += Int(layer.pNalLengthInByte[unit]) }
                unsafe frame.append(contentsOf: UnsafeBufferPointer(start: layer.pBsBuf, count: length))
            }
        }
    }

    /// The most may never be less than what is asked for, not even between two calls; and the only layer has a most of its own.
    public func setBitrate(_ wanted: Int) throws(MediaError) {
        let bitrate = min(max(wanted, VideoEncoderSettings.bitrates.lowerBound), VideoEncoderSettings.bitrates.upperBound)
        if bitrate > current { try setMaximum(bitrate * 5 / 4) }
        try setOption(ENCODER_OPTION_BITRATE, SPATIAL_LAYER_ALL, bitrate)
        if bitrate < current { try setMaximum(bitrate * 5 / 4) }
        current = bitrate
    }

    private func setMaximum(_ bitrate: Int) throws(MediaError) {
        try setOption(ENCODER_OPTION_MAX_BITRATE, SPATIAL_LAYER_ALL, bitrate)
        try setOption(ENCODER_OPTION_MAX_BITRATE, SPATIAL_LAYER_0, bitrate)
    }

    private func setOption(_ option: ENCODER_OPTION, _ layer: LAYER_NUM, _ bitrate: Int) throws(MediaError) {
        var value = SBitrateInfo(iLayer: layer, iBitrate: Int32(clamping: bitrate))
        let code = unsafe encoder.pointee!.pointee.SetOption(encoder, option, &value)
        guard code == 0 else { throw .library("openh264 SetOption", code: Int(code)) }
    }
}
