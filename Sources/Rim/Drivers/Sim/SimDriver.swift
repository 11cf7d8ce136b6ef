import Glibc
import Media
import Reactor
import Robot
import Synchronization
import Wire

/// The simulated robot: a rover on two wheels in a room with a dog. Three threads: its world, its cameras, its microphone.
public final class SimDriver: RobotDriver {
    public let capabilities: RobotCapabilities
    /// In the capabilities' order.
    public let cameras: [PictureFeed]
    public let microphone = SoundFeed()
    /// Who draws: `llvmpipe…`, a graphics card; empty: nobody.
    public let renderer: String
    /// The file that the world was read from.
    public let world: String

    private let exchange: SimExchange
    /// Where bodies that move freely have their places among the positions.
    private let bodies: [String: Int]
    private let ear = Lock(SimEar())
    private let threads = Lock<[SimThread]>([])

    /// Reads the world, opens the graphics, and lets time run. The robot stands.
    public init(_ options: SimOptions = SimOptions()) throws(SimError) {
        try SimFiles.openLibrary()
        world = options.world ?? SimFiles.home
        exchange = SimExchange(RobotTelemetry(time: MonotonicClock.now()))
        // Two copies of the world: the cameras change the light's colour in theirs, and each thread has its own.
        let physics = try SimWorld(path: world)
        let control = try SimControl(world: physics, exchange: exchange)
        bodies = physics.freeBodies
        let (width, height) = (options.width, options.height)
        guard !options.hasCameras || (64...4096).contains(width) && (64...4096).contains(height) && width % 2 == 0 && height % 2 == 0 else {
            throw .graphics("pictures of \(width)x\(height): expected even sizes from 64 to 4096")
        }
        let front = PictureFeed(name: "front", width: width, height: height, rate: 30)
        let room = PictureFeed(name: "room", width: 640, height: 480, rate: 15)
        cameras = options.hasCameras ? [front, room] : []
        capabilities = Self.capabilities(cameras: cameras, drive: control.drive)
        var started: [SimThread] = []
        do throws(SimError) {
            if options.hasCameras {
                let drawn = try SimWorld(copying: physics)
                let eyes = try SimCameras(
                    world: drawn, feeds: [(front, drawn.frontCamera), (room, drawn.roomCamera)], quality: options.quality,
                    exchange: exchange)
                let outcome = eyes.outcome
                started.append(try SimThread(eyes))
                renderer = try outcome.wait()
            } else {
                renderer = ""
            }
            started.append(try SimThread(control))
            started.append(try SimThread(SimSound(exchange: exchange, feed: microphone)))
        } catch {
            exchange.isRunning.store(false, ordering: .relaxed)
            for thread in started { thread.join() }
            throw error
        }
        let all = started
        threads.withLock { $0 = all }
    }

    deinit { shutDown() }

    private static func capabilities(cameras: [PictureFeed], drive: DifferentialDrive) -> RobotCapabilities {
        RobotCapabilities(
            model: "Waldo Rover", drive: .differential(drive), limits: SimMotion.limits, deceleration: SimMotion.deceleration.vx,
            cameras: cameras.map { feed in
                CameraCapability(
                    name: feed.name, width: feed.width, height: feed.height, rate: feed.rate,
                    reach: feed.name == "front" ? SimMotion.reach : nil)
            },
            hasMicrophone: true, hasSpeaker: true, hasLights: true, actions: SimActing.capabilities, rangeBearings: SimSensing.bearings,
            rangeLimit: SimSensing.rangeLimit)
    }

    // MARK: The contract

    public func apply(_ setpoint: Setpoint) { exchange.orders.withLock { $0.apply(setpoint) } }

    public func stop(after number: UInt64) { exchange.orders.withLock { $0.stop(after: number) } }

    public func perform(_ action: RobotAction) throws(RobotActionError) {
        if let refusal = SimActing.refusal(action) { throw refusal }
        if let fault = telemetry.fault { throw .notNow(fault) }
        let now = MonotonicClock.now()
        let refusal = exchange.orders.withLock { orders -> RobotActionError? in
            if action.name == "treat", !orders.mayDrop(at: now) { return .notNow("a treat is just falling: once more in a second") }
            return orders.add(action) ? nil : .notNow("the robot is still busy with what it was asked before")
        }
        if let refusal { throw refusal }
    }

    public var telemetry: RobotTelemetry { exchange.telemetry.withLock { $0 } }

    public func shutDown() {
        exchange.orders.withLock { $0.stop(after: .max) }
        exchange.isRunning.store(false, ordering: .relaxed)
        for thread in threads.withLock({ threads in
            defer { threads = [] }
            return threads
        }) { thread.join() }
    }

    // MARK: Beside the contract

    public func camera(_ name: String) -> PictureFeed? { cameras.first { $0.name == name } }

    public var statistics: SimStatistics { exchange.counters.statistics }

    /// What people say through the speaker: mono, 48 kHz. From any thread.
    public func hear(_ samples: [Int16]) {
        ear.withLock { $0.take(samples) }
        exchange.counters.speakerLevel.store(SimEar.level(samples), ordering: .relaxed)
        let until = MonotonicClock.now() + Duration.milliseconds(200)
        exchange.counters.speakerUntil.store(until.nanoseconds, ordering: .relaxed)
    }

    /// The last ten seconds of it.
    public var heard: [Int16] { ear.withLock { $0.all } }

    /// Where the rover or a treat really is in its world, m; the robot itself does not know.
    package func place(of body: String) -> (x: Double, y: Double, z: Double)? {
        guard let index = bodies[body] else { return nil }
        return exchange.scene.withLock { ($0.positions[index], $0.positions[index + 1], $0.positions[index + 2]) }
    }

    /// The file of the room that comes with Waldo.
    package static var home: String { SimFiles.home }
}
