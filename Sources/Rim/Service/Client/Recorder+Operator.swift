import RTC
import Reactor
import Recording
import Wire

/// What an operator saw and said.
extension Recorder {
    public func recordVideo(_ frame: ReceivedFrame) {
        let ntp = NTPClock(unixNanoseconds: MonotonicClock.unixNanoseconds(), at: MonotonicClock.now()).time(at: frame.completed)
        recordVideo(
            EncodedFrame(
                codec: frame.codec, bytes: frame.bytes, isKeyFrame: frame.isKeyFrame, captureTime: frame.completed, captureNTP: ntp,
                timestamp: frame.timestamp),
            camera: "operator")
    }

    /// A message as it was said: an object as it is, anything else as `text`.
    public func recordAction(_ text: String) {
        let value = (try? JSON(parsing: text)).flatMap { $0.object == nil ? nil : $0 } ?? ["text": .string(text)]
        record(
            topic: RecordingSchema.actionTopic, schema: RecordingSchema.action, json: Array(value.description.utf8),
            at: MonotonicClock.unixNanoseconds())
    }
}
