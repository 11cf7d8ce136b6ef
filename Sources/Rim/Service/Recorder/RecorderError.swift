import Reactor
import Recording

/// Why a recording could not begin, or ended.
public enum RecorderError: Error, Sendable, CustomStringConvertible {
    /// Recordings are never overwritten.
    case exists(String)
    case cannotOpen(SystemError)
    /// Bytes; the least that is enough.
    case limitTooSmall(Int, least: Int)
    case diskFull(path: String)
    case cannotWrite(SystemError)
    case format(MCAPError)

    public var description: String {
        switch self {
        case .exists(let path): "\(path) exists already and is not overwritten; choose another name"
        case .cannotOpen(let error): "the recording cannot be opened: \(error)"
        case .limitTooSmall(let limit, let least): "expected a limit of at least \(least) bytes for a recording, got \(limit)"
        case .diskFull(let path):
            "the disk is full: the recording ends; \(path) can be read up to its last chunk. Make room, then record anew"
        case .cannotWrite(let error): "the recording ends: \(error)"
        case .format(let error): "the recording ends: \(error)"
        }
    }
}
