import Glibc
import Reactor
import Usage
import Wire

/// What the monitor sees of this machine, with the rights that it has; what is missing is told once with the command that grants it
/// (spec section 18). Lives on the reactor.
final class Senses {
    private unowned let service: MonitorService
    private let reactor: Reactor
    private let log: Logger
    private var capture: PacketCapture?
    private var tables: SocketTables?
    private var processes: ProcessTable?
    private var devices: InputDevices?
    private var subscriptions: Subscriptions?
    private var seconds = 0
    private var nextReading = Instant.zero

    /// Between two readings of the socket tables, less than the second that calls; and so many times what one took, where there are thousands of
    /// sockets: a quarter of a percent of a core.
    private static let betweenReadings = Duration.milliseconds(900), readingShare: Int64 = 400
    /// Listening ports change seldom.
    private static let betweenListings = 5

    init(_ service: MonitorService, reactor: Reactor, log: Logger) { (self.service, self.reactor, self.log) = (service, reactor, log) }

    private var configuration: MonitorConfiguration { service.configuration }

    private func isOn(_ kind: DetectorKind) -> Bool { configuration.detectors.contains(kind) }

    func start() {
        if isOn(.webrtc) || isOn(.network) || isOn(.zmq) {
            startTables()
            startCapture()
        }
        if isOn(.zmq) { startSubscriptions() }
        if isOn(.input) { startDevices() }
    }

    /// Lets go of publishers: what else it holds ends with it.
    func stop() { subscriptions?.closeAll() }

    // MARK: Packets and sockets

    private func startCapture() {
        let filter = configuration.captureFilter.instructions.map {
            FilterInstruction($0.code, jumpTrue: $0.jt, jumpFalse: $0.jf, k: $0.k)
        }
        do throws(CaptureError) {
            capture = try PacketCapture(filter: filter, reactor: reactor) { [unowned self] packet in
                let (wireLength, isOutgoing, interface, when) = (packet.wireLength, packet.isOutgoing, packet.interface, packet.when)
                let bytes = packet.bytes
                service.tell { engine, _ in
                    engine.packet(bytes, wireLength: wireLength, isOutgoing: isOutgoing, interface: interface, at: when)
                }
            }
            service.tell { engine, _ in engine.captures(true) }
            for kind in [DetectorKind.webrtc, .network, .zmq] { set(kind, DetectorStatus(.full)) }
        } catch {
            let reason = Self.missing(error)
            log.warning("packets cannot be seen: the detectors webrtc, zmq and network see less", ["reason": .text(reason)])
            for kind in [DetectorKind.webrtc, .network] { set(kind, DetectorStatus(tables == nil ? .off : .reduced, error: reason)) }
            set(.zmq, DetectorStatus(.reduced, error: reason))
        }
    }

    private static func missing(_ error: CaptureError) -> String {
        guard case .notPermitted = error else { return "\(error)" }
        return "needs CAP_NET_RAW: `sudo setcap cap_net_raw+ep \(program)`, or run it as root"
    }

    private static let program: String = {
        var path = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/self/exe", &path, path.count - 1)
        return count > 0 ? String(decoding: path.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : "waldo-monitor"
    }()

    private func startTables() {
        do throws(SystemError) {
            let tables = try SocketTables()
            self.tables = tables
            let processes = ProcessTable(reactor: reactor, tables: tables)
            self.processes = processes
            if !processes.canReadOthers {
                log.warning(
                    "other users' processes cannot be looked at: operators are named by their addresses",
                    ["remedy": .text("`sudo setcap cap_net_raw,cap_sys_ptrace,cap_dac_read_search+ep \(Self.program)`, or run it as root")])
            }
        } catch { log.warning("the kernel's socket tables cannot be read", ["reason": LogValue(error)]) }
    }

    func askOwners(of flow: FlowKey) {
        guard let processes else { return service.tell { engine, _ in engine.answer(flow, local: nil, far: nil) } }
        processes.owner(of: flow) { [unowned self] owners in
            service.tell { engine, _ in engine.answer(flow, local: owners.local, far: owners.far) }
        }
    }

    func everySecond(at now: Instant) {
        if let tables {
            if seconds % Self.betweenListings == 0 {
                let ports = tables.listeningPorts()
                service.tell { engine, _ in engine.listening(on: ports) }
            }
            if capture == nil, now >= nextReading { tellSockets(tables, at: now) }
        }
        seconds += 1
        for (flow, roundTrip) in subscriptions?.roundTrips() ?? [] { service.tell { engine, _ in engine.zmqRoundTrip(flow, roundTrip) } }
    }

    /// Instead of packets.
    private func tellSockets(_ tables: SocketTables, at now: Instant) {
        defer { nextReading = now + max(Self.betweenReadings, (MonotonicClock.now() - now) * Self.readingShare) }
        let media = [configuration.mediaPorts].compactMap { $0 }
        var connections = tables.connections(ports: configuration.watchedPorts.sorted().map { $0...$0 } + media)
        var datagrams = tables.datagramSockets(ports: media)
        processes?.fillOwners(in: &connections)
        processes?.fillOwners(in: &datagrams)
        // Which side is the service's is told by who listens.
        let listening = tables.listeningPorts().map {
            SocketSample(.tcp, local: SocketAddress(IPAddress(0, 0, 0, 0), $0), remote: nil, isListening: true)
        }
        let own = getpid(), samples = (connections + datagrams).map(\.sample).filter { $0.owner?.pid != own } + listening
        let counts = tables.datagrams() ?? DatagramCounters.Counts(received: 0, sent: 0)
        service.tell { engine, now in
            engine.sockets(samples, datagramsReceived: counts.received, datagramsSent: counts.sent, at: now)
        }
    }

    // MARK: ZeroMQ

    func perform(_ action: ZMQDetector.Action) { subscriptions?.perform(action, log: log) }

    private func startSubscriptions() {
        subscriptions = Subscriptions(
            reactor: reactor, tables: tables,
            Subscriptions.Handlers(
                awaited: { [unowned self] flow in service.tell { engine, _ in engine.zmqAwaited(flow) } },
                connected: { [unowned self] flow in service.tell { $0.zmqConnected(flow, at: $1) } },
                received: { [unowned self] flow, bytes in service.tell { $0.zmqReceived(flow, bytes, at: $1) } },
                disconnected: { [unowned self] flow in service.tell { $0.zmqDisconnected(flow, at: $1) } },
                mayRest: { [unowned self] in service.engine.state.isActive && service.engine.state.zmqFlows > 0 },
                own: { [unowned self] local, remote, isOpen in
                    service.tell { engine, _ in engine.ownConnection(local: local, remote: remote, isOpen: isOpen) }
                }))
    }

    // MARK: Input devices

    private func startDevices() {
        devices = InputDevices(
            folder: service.options.inputFolder, reactor: reactor,
            handlers: InputDevices.Handlers(
                onAdded: { [unowned self] id, path, found, isJoystick in
                    let description = InputDetector.Description(
                        path: path, name: found.name, axes: found.axes, keys: found.keys, isJS: isJoystick)
                    var isWanted = false
                    service.tell { isWanted = $0.inputAdded(id, description, at: $1) }
                    return isWanted
                },
                onBytes: { [unowned self] id, bytes in service.tell { $0.inputReceived(id, bytes, at: $1) } },
                onRemoved: { [unowned self] id in service.tell { $0.inputRemoved(id, at: $1) } },
                onMissing: { [unowned self] missing in
                    if let missing { log.warning("input devices cannot be seen", ["reason": .text(missing)]) }
                    set(.input, missing.map { DetectorStatus(.off, error: $0) } ?? DetectorStatus(.full))
                }))
    }

    private func set(_ kind: DetectorKind, _ status: DetectorStatus) { service.tell { engine, _ in engine.status[kind] = status } }
}
