import Reactor
import Wire

/// `waldo up`: a station and the thread that it lives on.
public actor Station {
    private nonisolated let reactor: Reactor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private let options: StationOptions
    private var server: StationServer?

    public init(_ options: StationOptions) throws {
        self.options = options
        reactor = try Reactor(name: "waldo-reactor", keepsTime: true)
    }

    /// Begins to serve these robots; answers the port of the console, and the fingerprint of a certificate that the station made for itself.
    public func start(_ units: [RobotUnit]) throws -> (port: UInt16, fingerprint: String?) {
        let server = StationServer(options, reactor: reactor)
        self.server = server
        return (try server.start(units), server.fingerprint)
    }

    /// The robots stop first; then everybody is told, and the monitor that was started with the station ends.
    public func stop() async {
        await withCheckedContinuation { continuation in
            guard let server else { return continuation.resume() }
            server.stop { continuation.resume() }
        }
    }
}
