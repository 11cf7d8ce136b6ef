/// Why a pipeline cannot be had, in GStreamer's own words.
package enum GStreamerError: Error, Sendable, Hashable {
    /// GStreamer itself does not begin.
    case unavailable(String)
    /// The description is none, or names an element that is not installed.
    case description(String)
    /// It could be made and does not start.
    case start(String)
}
