import Reactor
import Usage
import Wire

/// What a monitor is told before it starts, beside its configuration (spec section 1).
public struct MonitorOptions: Sendable {
    public var configuration: MonitorConfiguration
    /// Where it serves.
    public var bind = IPAddress(0, 0, 0, 0)
    /// Whether it serves at all.
    public var serves = true
    public var sharesMemory = true
    /// Standard input and output are a plug-in's (section 15).
    public var hasPluginOnStandardInput = false
    /// Where input devices are.
    public var inputFolder = "/dev/input"
    public var log = Logger("monitor")

    public init(_ configuration: MonitorConfiguration = MonitorConfiguration()) { self.configuration = configuration }
}

/// Why a monitor cannot start, for people.
public enum MonitorError: Error, Sendable, CustomStringConvertible {
    case portInUse(UInt16)
    case namespaceInUse(String, pid: Int32)
    case invalidName(String)
    case nameTaken(String)
    case notRunning
    case alreadyRunning
    case system(String)

    public var description: String {
        switch self {
        case .portInUse(let port): "Port \(port) is already in use"
        case .namespaceInUse(let name, let pid): "Shared memory namespace \(name) is in use by pid \(pid)"
        case .invalidName(let name): "the detector name `\(name)` is not allowed: expected \(MonitorConfiguration.customNameRule)"
        case .nameTaken(let name): "there is a detector called `\(name)` already: remove it first, or choose another name"
        case .notRunning: "the monitor does not run: call start() first"
        case .alreadyRunning: "the monitor runs already"
        case .system(let text): text
        }
    }
}
