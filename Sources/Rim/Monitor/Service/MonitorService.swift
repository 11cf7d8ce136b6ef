import Glibc
import HTTP
import Reactor
import Usage
import Web
import Wire

/// The monitor on a reactor: what its senses bring goes into the engine, what the engine wants goes out. Lives on the reactor.
final class MonitorService {
    private(set) var engine: UsageEngine
    let options: MonitorOptions
    private let reactor: Reactor
    private let log: Logger
    /// What the Swift API keeps: told of each publication and alert.
    var onPublish: ((borrowing UsageEngine, StreamFigures) -> Void)?
    var onAlert: ((Alert) -> Void)?
    var onCheck: (([String: Double]) -> Void)?

    private lazy var streamer = EventStreamer(
        limit: configuration.performance.maxClients, reactor: reactor, log: log, service: self)
    private lazy var routes = MonitorRoutes(streamer, self)
    private var server: HTTPServer?
    private var senses: Senses?
    private var plugins: PluginHost?
    private var memory: SharedMemoryManager?
    private var sessions: SessionReader?
    private let resources = ResourceUsage()
    private var lastResources: (sample: ResourceUsage.Sample, at: Instant)?
    private var timer: ReactorTimer?
    private var pulse: ReactorTimer?
    private var nextSecond: Instant
    private var isTurnDue = false
    private var isStopped = false
    private var seconds = 0

    /// Seconds.
    private static let betweenLettingGo = 60

    var configuration: MonitorConfiguration { options.configuration }

    init(_ options: MonitorOptions, reactor: Reactor) {
        (self.options, self.reactor, log) = (options, reactor, options.log)
        let now = MonotonicClock.now(), clock = WallClock(now: now, unixNanoseconds: MonotonicClock.unixNanoseconds())
        engine = UsageEngine(options.configuration, captures: false, clock: clock, at: now)
        nextSecond = now
    }

    // MARK: Start and stop

    /// Answers where it serves.
    func start() throws(MonitorError) -> SocketAddress? {
        let address = options.serves ? try serve() : nil
        try shareMemory()
        timer = reactor.makeTimer { [unowned self] _ in turn() }
        pulse = reactor.makeTimer { [unowned self] now in beat(at: now) }
        pulse?.deadline = Pulse.next(after: MonotonicClock.now())
        let senses = Senses(self, reactor: reactor, log: log)
        self.senses = senses
        senses.start()
        let plugins = PluginHost(reactor: reactor, log: log, pluginHandlers)
        self.plugins = plugins
        plugins.start(configuration, standardInput: options.hasPluginOnStandardInput)
        turn()
        return address
    }

    private func serve() throws(MonitorError) -> SocketAddress {
        var limits = HTTPServerOptions()
        // Room for requests beside the clients, and for who connects and says nothing: that one goes soon.
        limits.connections = configuration.performance.maxClients + 400
        limits.headTimeout = .seconds(5)
        limits.idleTimeout = .seconds(15)
        limits.connectionsPerAddress = limits.connections
        limits.stallTimeout = .seconds(20)
        limits.drainTimeout = .milliseconds(200)
        // A client's own queue is what bounds it, and drops its oldest; megabytes in the kernel would only make what it gets older.
        limits.kernelBuffer = 128 << 10
        let server = HTTPServer(handler: routes, options: limits, reactor: reactor)
        let address: SocketAddress
        do throws(SystemError) { address = try server.listen(SocketAddress(options.bind, configuration.webSocketPort)) } catch {
            throw error.code == EADDRINUSE ? .portInUse(configuration.webSocketPort) : .system("\(error)")
        }
        self.server = server
        engine.ownServer(port: address.port)
        return address
    }

    private func shareMemory() throws(MonitorError) {
        guard options.sharesMemory else { return }
        let memory = SharedMemoryManager(namespace: configuration.sharedMemoryNamespace)
        do throws(SharedMemoryError) {
            try memory.initialize(create: true, bufferSize: configuration.performance.bufferSize)
            self.memory = memory
        } catch {
            if case .inUse(let namespace, let pid) = error { throw .namespaceInUse(namespace, pid: pid) }
            log.warning("shared memory cannot be used: the state is published by network only", ["reason": LogValue(error)])
            engine.failed("shared_memory", "\(error)", at: MonotonicClock.now())
        }
        sessions = SessionReader(namespace: configuration.sharedMemoryNamespace, log: log)
    }

    /// Tells everybody that it is over, and calls `done` when they have gone, or after a while.
    func stop(_ done: @escaping () -> Void) {
        isStopped = true
        engine.finish(at: MonotonicClock.now())
        drain()
        senses?.stop()
        (timer, pulse, senses) = (nil, nil, nil)
        memory?.close()
        memory = nil
        var waits = 2
        let ended = { [unowned self] in
            waits -= 1
            guard waits == 0 else { return }
            (plugins, server) = (nil, nil)
            done()
        }
        if let plugins { plugins.stop(ended) } else { ended() }
        if let server { server.drain(ended) } else { ended() }
    }

    // MARK: What it is told

    /// Something for the engine; what follows from it is done once all of this round has come.
    func tell(_ body: (inout UsageEngine, Instant) -> Void) {
        body(&engine, reactor.now)
        guard !isTurnDue else { return }
        isTurnDue = true
        reactor.atEndOfRound { [unowned self] in turn() }
    }

    private var pluginHandlers: PluginHost.Handlers {
        PluginHost.Handlers(
            detection: { [unowned self] name, detection in tell { $0.custom(name, detection, at: $1) } },
            metric: { [unowned self] name, value, tags in tell { $0.recordMetric(name, value, tags: tags, at: $1) } },
            alert: { [unowned self] name, severity, message in tell { $0.raise(severity, message, by: name, at: $1) } },
            failed: { [unowned self] name, message in
                log.warning("a plug-in failed", ["plugin": .text(name), "reason": .text(message)])
                tell { $0.failed(name, message, at: $1) }
            })
    }

    // MARK: What it does

    /// What is due before the next pulse is done in this one.
    private func beat(at now: Instant) {
        pulse?.deadline = Pulse.next(after: now)
        if min(engine.deadline, nextSecond) <= now + UsageEngine.slack { turn() }
    }

    private func turn() {
        isTurnDue = false
        // The last word has been said.
        guard !isStopped else { return }
        let now = MonotonicClock.now()
        if now + UsageEngine.slack >= nextSecond { everySecond(at: now) }
        engine.advance(to: now)
        drain()
        timer?.deadline = min(engine.deadline, nextSecond)
    }

    private func drain() {
        while let output = engine.nextOutput() {
            switch output {
            case .event(let event): streamer.send(event)
            case .alert(let alert): onAlert?(alert)
            case .publish(let isUpdate): publish(isUpdate: isUpdate)
            case .zmq(let action): senses?.perform(action)
            case .askOwners(let flow): senses?.askOwners(of: flow)
            }
        }
    }

    private func publish(isUpdate: Bool) {
        let state = engine.state
        onPublish?(engine, streamer.report)
        if isUpdate { plugins?.changed(state.json) }
        guard let memory else { return }
        memory.write(state: state.flatJSON)
        let custom = engine.metrics.customNames.map { MainLayout.Metric($0, engine.metrics.latest($0) ?? 0) }
        memory.write(metrics: state.allMetrics.map { MainLayout.Metric($0.0, $0.1) } + custom)
        guard isUpdate else { return }
        var item = JSONObject(state.linkMetrics.map { ($0.0, .double($0.1)) })
        item["is_active"] = .bool(state.isActive)
        memory.append(telemetry: JSON.object(item).encoded())
    }

    private func everySecond(at now: Instant) {
        nextSecond = now + .seconds(1)
        engine.clock = WallClock(now: now, unixNanoseconds: MonotonicClock.unixNanoseconds())
        let sample = resources.sample()
        if let last = lastResources, now > last.at {
            let share = (sample.processorTime - last.sample.processorTime).seconds / (now - last.at).seconds
            engine.resources(cpuPct: share * 100, memoryMb: Double(sample.residentBytes) / 1e6)
        }
        lastResources = (sample, now)
        if seconds % Self.betweenLettingGo == 3 { ResourceUsage.letGo() }
        seconds += 1
        senses?.everySecond(at: now)
        if let programs = sessions?.poll() { engine.sessions(programs.map(\.list), at: now) }
        plugins?.tell(metrics: engine.metrics.latestValues)
        onCheck?(engine.metrics.latestValues)
    }
}
