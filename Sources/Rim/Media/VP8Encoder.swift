internal import CVPX
import RTC

/// VP8 by libvpx in its real-time mode: constant bitrate, no alternate references, key frames only when asked.
@safe public final class VP8Encoder: VideoEncoder {
    public let codec = CodecKind.vp8
    private let settings: VideoEncoderSettings
    private var configuration: vpx_codec_enc_cfg_t
    private let context: UnsafeMutablePointer<vpx_codec_ctx_t>
    private var count: Int64 = 0

    public init(_ settings: VideoEncoderSettings) throws(MediaError) {
        try settings.check()
        self.settings = settings
        unsafe configuration = vpx_codec_enc_cfg_t()
        unsafe context = .allocate(capacity: 1)
        unsafe context.initialize(to: vpx_codec_ctx_t())
        let code = unsafe vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &configuration, 0)
        guard code == VPX_CODEC_OK else { throw .library("vpx_codec_enc_config_default", code: Int(code.rawValue)) }
        try configure()
    }

    deinit {
        _ = unsafe vpx_codec_destroy(context)
        unsafe context.deallocate()
    }

    private func configure() throws(MediaError) {
        unsafe configuration.g_w = UInt32(settings.width)
        unsafe configuration.g_h = UInt32(settings.height)
        unsafe configuration.g_timebase = vpx_rational(num: 1, den: Int32(settings.rate))
        unsafe configuration.g_threads = 1
        unsafe configuration.g_lag_in_frames = 0
        unsafe configuration.g_error_resilient = 0
        unsafe configuration.rc_end_usage = VPX_CBR
        unsafe configuration.rc_target_bitrate = UInt32(settings.bitrate / 1000)
        unsafe configuration.rc_dropframe_thresh = 0
        unsafe configuration.rc_min_quantizer = 2
        unsafe configuration.rc_max_quantizer = 56
        unsafe configuration.rc_buf_sz = 600
        unsafe configuration.rc_buf_initial_sz = 300
        unsafe configuration.rc_buf_optimal_sz = 400
        unsafe configuration.kf_mode = VPX_KF_DISABLED
        let code = unsafe waldo_vp8_encoder_init(context, &configuration)
        guard code == VPX_CODEC_OK else { throw .library("vpx_codec_enc_init", code: Int(code.rawValue)) }
        try control(VP8E_SET_CPUUSED, -8)
        try control(VP8E_SET_STATIC_THRESHOLD, 1)
        try control(VP8E_SET_NOISE_SENSITIVITY, 0)
        // A key frame of at most 4.5 times the mean keeps a narrow path from filling for long.
        try control(VP8E_SET_MAX_INTRA_BITRATE_PCT, 450)
    }

    private func control(_ control: vp8e_enc_control_id, _ value: Int32) throws(MediaError) {
        let code = unsafe waldo_vpx_control_int(context, Int32(control.rawValue), value)
        guard code == VPX_CODEC_OK else { throw .library("vpx_codec_control \(control.rawValue)", code: Int(code.rawValue)) }
    }

    public func encode(_ picture: Picture, forcesKeyFrame: Bool, into frame: inout [UInt8]) throws(MediaError) -> Bool? {
        guard picture.width == settings.width, picture.height == settings.height else {
            throw .settings("picture: expected \(settings.width)x\(settings.height), got \(picture.width)x\(picture.height)")
        }
        let flags = forcesKeyFrame ? vpx_enc_frame_flags_t(VPX_EFLAG_FORCE_KF) : 0
        let code = unsafe picture.bytes.withUnsafeBufferPointer { bytes in
            var image = unsafe vpx_image_t()
            unsafe vpx_img_wrap(
                &image, VPX_IMG_FMT_I420, UInt32(picture.width), UInt32(picture.height), 1,
                UnsafeMutablePointer(mutating: bytes.baseAddress!))
            return unsafe vpx_codec_encode(context, &image, count, 1, flags, UInt(VPX_DL_REALTIME))
        }
        count += 1
        guard code == VPX_CODEC_OK else { throw .library("vpx_codec_encode", code: Int(code.rawValue)) }
        var iterator: vpx_codec_iter_t?
        var isKeyFrame: Bool?
        while let packet = unsafe vpx_codec_get_cx_data(context, &iterator) {
            guard unsafe packet.pointee.kind == VPX_CODEC_CX_FRAME_PKT else { continue }
            let data = unsafe packet.pointee.data.frame
            unsafe frame.append(contentsOf: UnsafeRawBufferPointer(start: data.buf, count: data.sz))
            unsafe isKeyFrame = data.flags & UInt32(VPX_FRAME_IS_KEY) != 0
        }
        return isKeyFrame
    }

    public func setBitrate(_ bitrate: Int) throws(MediaError) {
        unsafe configuration.rc_target_bitrate = UInt32(
            min(max(bitrate, VideoEncoderSettings.bitrates.lowerBound), VideoEncoderSettings.bitrates.upperBound) / 1000)
        let code = unsafe vpx_codec_enc_config_set(context, &configuration)
        guard code == VPX_CODEC_OK else { throw .library("vpx_codec_enc_config_set", code: Int(code.rawValue)) }
    }
}
