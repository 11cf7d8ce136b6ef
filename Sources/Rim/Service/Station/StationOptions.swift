import Media
import RTC
import Reactor
import Robot
import Wire

/// How a station is run.
public struct StationOptions: Sendable {
    public var port: UInt16 = 8000
    /// HTTP addresses.
    public var bind: [IPAddress] = [IPAddress(127, 0, 0, 1)]
    public var profile = SafetyProfile.lan
    /// The folder of the console's files.
    public var console: String
    /// Whoever shows it supervises; nil: everybody does.
    public var token: String?
    /// Whoever shows it watches, and pulls the emergency stop.
    public var viewerToken: String?
    public var tls: TLSSettings?
    /// UDP and ICE-TCP port for all peers; 0: the kernel chooses.
    public var mediaPort: UInt16 = 0
    /// Put into candidates instead of this machine's own addresses.
    public var advertised: [IPAddress] = []
    /// Named to clients that cannot reach the media port by themselves.
    public var iceServers = IceServerList()
    /// bit/s of a 1280×720 picture at 30 a second.
    public var bitrate = 2_500_000
    public var encoders = VideoEncoders()
    /// MCAP file to record into; nil: nothing is recorded.
    public var recording: String?
    /// Bytes of recordings at most.
    public var recordingLimit = 4 << 30
    /// Under which this machine's usage monitor is told of the sessions (`MonitorConfiguration.isNamespace`); nil: it is not.
    public var usageNamespace: String?
    /// Where this machine's usage monitor answers, on 127.0.0.1; nil: clients are shown none.
    public var monitorPort: UInt16?
    /// The usage monitor's program, to be started with the station, on `monitorPort`; nil: none is started.
    public var monitorProgram: String?
    public var log = Logger("station")
    public var logsRequests = false

    public init(console: String) { self.console = console }
}
