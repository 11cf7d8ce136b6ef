/// Why there is no window. The description says what is wrong, without a capital or a full stop: to be put after `No display: `.
public enum DisplayError: Error, Sendable, Hashable, CustomStringConvertible {
    /// None is named, or it does not answer.
    case noDisplay(String)
    /// SDL is not installed, or is not what it should be.
    case noLibrary(String)
    /// The display or the system refuses a window.
    case refused(String)

    public var description: String {
        switch self {
        case .noDisplay(let reason), .refused(let reason): reason
        case .noLibrary(let reason): "\(reason): install libsdl2-2.0-0, or name another library in WALDO_SDL"
        }
    }
}
