internal import CMuJoCo
import Glibc
import Media
import Reactor
import Synchronization
import Wire

/// The robot's eyes, on a thread of their own with an OpenGL context: each draws one picture a tick, whoever watches, and one a second when
/// nobody does.
final class SimCameras: SimWorker {
    let threadName = "waldo-sim-draw"
    let urgency = SimUrgency.patient
    /// Who draws, or why nobody does; nil: not known yet.
    let outcome = SimGraphics()
    private let exchange: SimExchange
    private let state: SimState
    private let quality: SimOptions.Quality
    private var cameras: [Camera]
    private var drawnLight: SimColour?
    private var scene = SimScene()

    private struct Camera {
        let feed: PictureFeed
        let number: Int32
        let interval: Duration
        var due: Instant
        var last = Instant.zero
    }

    private static let idlePause = Duration.seconds(1)

    init(world: SimWorld, feeds: [(feed: PictureFeed, camera: Int32)], quality: SimOptions.Quality, exchange: SimExchange) throws(SimError)
    {
        self.exchange = exchange
        self.quality = quality
        state = try SimState(world)
        let now = MonotonicClock.now()
        cameras = feeds.map { feed, camera in
            Camera(feed: feed, number: camera, interval: Duration(nanoseconds: 1_000_000_000 / Int64(feed.rate)), due: now)
        }
    }

    func run() {
        // Drawn by the processor, a picture is sooner done by all of it: two threads for each core, as of one each, woken at the same moment, two
        // often land on one core and take turns there. They give way as this one does.
        unsafe setenv("LP_NUM_THREADS", "\(Self.helpers)", 0)
        let width = cameras.map(\.feed.width).max() ?? 0, height = cameras.map(\.feed.height).max() ?? 0
        var code: Int32 = 0
        let isHigh = quality == .high
        let (eye, reason) = unsafe SimFiles.message {
            unsafe waldo_eye_open(state.world.model, Int32(width), Int32(height), isHigh ? 1 : 0, isHigh ? 4 : 0, &code, $0, $1)
        }
        guard let eye = unsafe eye else {
            outcome.settle(.failure(code == Int32(WALDO_MISSING.rawValue) ? .noGraphics(reason) : .graphics(reason)))
            return
        }
        // The first pictures take long: the driver compiles. Nobody waits for them yet.
        for index in cameras.indices { unsafe tick(index, eye) }
        unsafe outcome.settle(.success(String(cString: waldo_eye_renderer(eye))))
        while exchange.isRunning.load(ordering: .relaxed) {
            guard let next = cameras.indices.min(by: { cameras[$0].due < cameras[$1].due }) else { break }
            sleep(until: cameras[next].due)
            unsafe tick(next, eye)
        }
        unsafe waldo_eye_free(eye)
    }

    private static var helpers: Int { max(1, min(8, 2 * Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))) }

    private func sleep(until instant: Instant) {
        var time = timespec(tv_sec: Int(instant.nanoseconds / 1_000_000_000), tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
        while unsafe clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil) == EINTR {}
    }

    private func tick(_ index: Int, _ eye: OpaquePointer) {
        let camera = cameras[index], now = MonotonicClock.now()
        // A tick that was missed is left out.
        let missed = max(0, (now - camera.due).nanoseconds / camera.interval.nanoseconds)
        cameras[index].due = camera.due + camera.interval * (missed + 1)
        guard camera.feed.isWatched || now - camera.last >= Self.idlePause else { return }
        cameras[index].last = now
        exchange.scene.withLock { scene = $0 }
        arrange()
        guard
            let rows = unsafe waldo_eye_draw(
                eye, state.world.model, state.data, camera.number, Int32(camera.feed.width), Int32(camera.feed.height))
        else { return fail() }
        let drawn = MonotonicClock.now()
        let pixels = unsafe UnsafeRawBufferPointer(start: rows, count: camera.feed.width * camera.feed.height * 4)
        guard let picture = unsafe try? Picture(rgba: pixels, width: camera.feed.width, height: camera.feed.height, isBottomUp: true) else {
            return fail()
        }
        count(from: now, drawn: drawn)
        let unix = MonotonicClock.unixNanoseconds() - (MonotonicClock.now() - scene.time).nanoseconds
        camera.feed.publish(CapturedPicture(picture, captured: scene.time, unixNanoseconds: unix))
    }

    private func fail() { exchange.counters.failedPictures.wrappingAdd(1, ordering: .relaxed) }

    private func arrange() {
        unsafe scene.positions.withUnsafeBufferPointer { unsafe state.positions.update(from: $0.baseAddress!, count: $0.count) }
        if !scene.mocapPlaces.isEmpty {
            unsafe scene.mocapPlaces.withUnsafeBufferPointer {
                unsafe waldo_mocap_place(state.data)!.update(from: $0.baseAddress!, count: $0.count)
            }
            unsafe scene.mocapTurns.withUnsafeBufferPointer {
                unsafe waldo_mocap_turn(state.data)!.update(from: $0.baseAddress!, count: $0.count)
            }
        }
        unsafe waldo_arrange(state.world.model, state.data)
        guard scene.light != drawnLight else { return }
        drawnLight = scene.light
        let light = scene.light, isOn = light.red | light.green | light.blue != 0
        func part(_ value: UInt8) -> Float { isOn ? Float(value) / 255 : 0.12 }
        for material in state.world.ringMaterials {
            unsafe waldo_material_colour(state.world.model, material, part(light.red), part(light.green), part(light.blue), isOn ? 1 : 0)
        }
    }

    private func count(from began: Instant, drawn: Instant) {
        let done = MonotonicClock.now(), counters = exchange.counters
        counters.pictures.wrappingAdd(1, ordering: .relaxed)
        SimCounters.add(counters.renderTime, done - began)
        SimCounters.add(counters.convertTime, done - drawn)
        SimCounters.keepLargest(counters.slowestRender, done - began)
    }
}

/// How opening the graphics came out, for who waits for it.
final class SimGraphics: Sendable {
    private let outcome = Lock<Result<String, SimError>?>(nil)

    func settle(_ result: Result<String, SimError>) { outcome.withLock { $0 = result } }

    /// Waits; opening takes some tenths of a second.
    func wait() throws(SimError) -> String {
        while true {
            if let outcome = outcome.withLock({ $0 }) { return try outcome.get() }
            usleep(2000)
        }
    }
}
