import GStreamer
import Media
import RTC

/// `--encoder`: tried with one picture before anything is begun, so that what cannot work is said at once.
func makeEncoders(_ settings: Settings) -> VideoEncoders {
    let source = "\(settings.source("encoder"))", name = settings.text("encoder") ?? "openh264"
    let encoders: VideoEncoders
    if name.hasPrefix("gst:") {
        encoders = gstreamerEncoders(String(name.dropFirst(4)), source)
    } else {
        switch name {
        case "openh264": return VideoEncoders()
        case "x264":
            #if X264
                encoders = VideoEncoders(.h264) { settings throws(MediaError) in try X264Encoder(settings) }
            #else
                failWithout("X264", source, "--encoder x264")
            #endif
        default: fail("\(source): expected openh264, x264 or gst:ELEMENT, got `\(name)`")
        }
    }
    do throws(MediaError) {
        let trial = VideoEncoderSettings(width: 640, height: 360, rate: 30, bitrate: 1_000_000)
        var frame: [UInt8] = []
        let isKey = try encoders.make(encoders.codecs[0], trial)
            .encode(Picture(width: trial.width, height: trial.height), forcesKeyFrame: true, into: &frame)
        if isKey != true { fail("\(source): expected a key frame of the first picture, got \(isKey == nil ? "nothing" : "another frame")") }
    } catch { fail("\(source): \(error)") }
    return encoders
}

private func gstreamerEncoders(_ text: String, _ source: String) -> VideoEncoders {
    #if GStreamer
        let description: GStreamerEncoderDescription
        do throws(MediaError) { description = try GStreamerEncoderDescription(text) } catch { fail("\(source): \(error)") }
        return VideoEncoders(description.codec) { settings throws(MediaError) in try GStreamerEncoder(description, settings) }
    #else
        failWithout("GStreamer", source, "--encoder 'gst:\(text)'")
    #endif
}
