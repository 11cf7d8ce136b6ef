internal import CLinux
import Glibc
import Synchronization
import Wire

/// One thread, one epoll, one serial executor: the actors that live here call each other without a thread hop,
/// and everything that a file descriptor or a timer brings is handled on this thread.
@safe public final class Reactor: SerialExecutor, @unchecked Sendable {
    /// Work handed in from other threads.
    private let incoming = Lock<[UnownedJob]>([])
    /// Work being done in this round; empty between rounds, its storage kept.
    private var running: [UnownedJob] = []
    private let wakeDescriptor: Int32
    private let epoll: Int32
    private let timers = TimerHeap()
    /// For its UDP sockets.
    private(set) lazy var receiveBatch = ReceiveBatch()
    /// By descriptor.
    private var watches: [Watch] = []
    /// When the round at hand began: for whoever does not need the time to the microsecond. On this thread.
    public private(set) var now = MonotonicClock.now()
    /// For one read at a time.
    let scratch: UnsafeMutableRawBufferPointer
    /// What is done at the end of the round at hand, and, empty between its uses, the room for it.
    private var closing: [() -> Void] = []
    private var atHand: [() -> Void] = []
    /// The thread's identity, 0 before it runs: read from other threads too.
    private let thread = Atomic<UInt>(0)
    private var isStopping = false

    private struct Watch {
        /// Told apart by it: what the kernel says of a descriptor that was closed in this round, and its successor of the same number.
        var generation: UInt32 = 0
        var handler: ((_ readable: Bool, _ writable: Bool) -> Void)?
    }

    /// The epoll thread begins at once. `keepsTime`: somebody is hurt when it comes late; it goes before every usual thread, where the system
    /// grants that.
    public init(name: String, keepsTime: Bool = false) throws(SystemError) {
        (self.name, self.keepsTime) = (name, keepsTime)
        unsafe scratch = .allocate(byteCount: Self.scratchSize, alignment: 16)
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemError("epoll_create1") }
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard wakeDescriptor >= 0 else { throw SystemError("eventfd") }
        try watch(wakeDescriptor) { [wakeDescriptor] _, _ in
            var count: UInt64 = 0
            _ = unsafe read(wakeDescriptor, &count, 8)
        }
        try start()
    }

    private let name: String
    private let keepsTime: Bool
    /// Nanoseconds; the least that the kernel grants.
    private static let turn: UInt64 = 100_000
    /// Bytes that are read at once.
    private static let scratchSize = 65_536

    private func start() throws(SystemError) {
        var created = pthread_t()
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let code = unsafe pthread_create(
            &created, nil,
            { context in
                unsafe Unmanaged<Reactor>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context)
        guard code == 0 else {
            unsafe Unmanaged<Reactor>.fromOpaque(context).release()
            throw SystemError("pthread_create", name, code: code)
        }
        pthread_detach(created)
    }

    // MARK: Executor

    public func enqueue(_ job: consuming ExecutorJob) {
        // The job may be the last that needs the reactor, and be done before this is.
        let kept = unsafe Unmanaged.passRetained(self)
        defer { unsafe kept.release() }
        let job = UnownedJob(job)
        let wasEmpty = incoming.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if wasEmpty, !isOnThread { wake() }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }

    /// Lets `assumeIsolated` hold in handlers and timers, which run here but outside any job (SE-0424).
    public func checkIsolated() {
        precondition(isOnThread, "this runs on the reactor's own thread only")
    }

    private var isOnThread: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    private func wake() {
        var one: UInt64 = 1
        _ = unsafe write(wakeDescriptor, &one, 8)
    }

    /// Ends the loop after the round at hand. On this thread only.
    public func stop() { isStopping = true }

    // MARK: Descriptors and timers, on this thread only (or before anything runs)

    /// Calls `handler` whenever the descriptor is readable (or broken), and when it is writable after `setInterest` asked for that.
    public func watch(_ descriptor: Int32, _ handler: @escaping (_ readable: Bool, _ writable: Bool) -> Void) throws(SystemError) {
        let index = Int(descriptor)
        if index >= watches.count { watches.append(contentsOf: repeatElement(Watch(), count: index + 1 - watches.count)) }
        guard control(EPOLL_CTL_ADD, descriptor, EPOLLIN.rawValue) else { throw SystemError("epoll_ctl") }
        watches[index].handler = handler
    }

    /// Which of the two is told; a broken descriptor is told in any case, as readable.
    public func setInterest(_ descriptor: Int32, reads: Bool, writes: Bool) {
        _ = control(EPOLL_CTL_MOD, descriptor, (reads ? EPOLLIN.rawValue : 0) | (writes ? EPOLLOUT.rawValue : 0))
    }

    public func unwatch(_ descriptor: Int32) {
        let index = Int(descriptor)
        guard index < watches.count, watches[index].handler != nil else { return }
        watches[index].handler = nil
        watches[index].generation &+= 1
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ events: UInt32) -> Bool {
        let index = Int(descriptor)
        guard index < watches.count else { return false }
        var event = unsafe epoll_event()
        unsafe event.events = events
        unsafe event.data.u64 = UInt64(watches[index].generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
        return unsafe epoll_ctl(epoll, operation, descriptor, &event) == 0
    }

    /// Calls `body` once, after everything that this round has brought and before the next is waited for: for what many of its events add to
    /// and one call can do. What is asked for in such a call is done in the next round, which then begins at once.
    public func atEndOfRound(_ body: @escaping () -> Void) { closing.append(body) }

    public func makeTimer(_ fire: @escaping (Instant) -> Void) -> ReactorTimer { ReactorTimer(heap: timers, fire: fire) }

    // MARK: The loop

    private func run() {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        Self.nameThisThread(name)
        // Much of what comes wants an answer at once, and little at a time: on a busy machine short turns halve the longest waits.
        Self.shortenTurnsOfThisThread()
        if keepsTime { Self.putThisThreadFirst(.gate) }
        unsafe withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 256) { events in
            while !isStopping {
                let count = unsafe wait(events)
                now = MonotonicClock.now()
                for index in 0..<max(0, count) { unsafe tell(events[index]) }
                timers.fire(at: MonotonicClock.now())
                runJobs()
                if !closing.isEmpty { endRound() }
            }
        }
    }

    private func endRound() {
        swap(&closing, &atHand)
        for body in atHand { body() }
        atHand.removeAll(keepingCapacity: true)
    }

    private func tell(_ event: epoll_event) {
        let (key, events) = unsafe (event.data.u64, event.events)
        let watch = watches[Int(UInt32(truncatingIfNeeded: key))]
        guard watch.generation == UInt32(truncatingIfNeeded: key >> 32), let handler = watch.handler else { return }
        let isReadable = events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
        handler(isReadable, events & EPOLLOUT.rawValue != 0)
    }

    private func wait(_ events: UnsafeMutableBufferPointer<epoll_event>) -> Int {
        let hasWork = !closing.isEmpty || incoming.withLock { !$0.isEmpty }
        let patience = hasWork ? .zero : timers.next.map { max($0 - MonotonicClock.now(), .zero) }
        guard let patience else { return unsafe Int(epoll_pwait2(epoll, events.baseAddress!, Int32(events.count), nil, nil)) }
        var timeout = timespec(tv_sec: Int(patience.nanoseconds / 1_000_000_000), tv_nsec: Int(patience.nanoseconds % 1_000_000_000))
        return unsafe Int(epoll_pwait2(epoll, events.baseAddress!, Int32(events.count), &timeout, nil))
    }

    /// Those that are there now; what they enqueue comes in the next round, so that descriptors are never starved.
    private func runJobs() {
        incoming.withLock { swap(&$0, &running) }
        for job in running { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
        running.removeAll(keepingCapacity: true)
    }

    /// Gives the calling thread a name of at most 15 bytes, for tools that list threads.
    public static func nameThisThread(_ name: String) { _ = unsafe name.withCString { unsafe waldo_name_thread($0) } }

    /// Asks for short turns of the calling thread, which then come sooner: for threads that keep time.
    public static func shortenTurnsOfThisThread() { _ = waldo_shorten_slice(turn) }

    /// Who goes before all usual threads, and before whom of them. Of two equals a busy one would keep the other waiting for a tenth of a second.
    public enum Rank: Int32, Sendable {
        case gate = 1
        /// They also end what the gate has not renewed.
        case motors = 2
    }

    /// The calling thread goes before all usual ones from now on, where the system grants that (CAP_SYS_NICE), and before most of its own
    /// session's where it grants only niceness. Threads that it makes are usual ones. For who keeps time, and needs little of it.
    public static func putThisThreadFirst(_ rank: Rank) {
        var parameters = sched_param(sched_priority: rank.rawValue)
        // Niceness counts among the threads of one session only where the system groups them.
        if unsafe sched_setscheduler(0, SCHED_RR | resetOnFork, &parameters) != 0 {
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, -10)  // 0: this thread
        }
    }

    /// SCHED_RESET_ON_FORK of linux/sched.h.
    private static let resetOnFork: Int32 = 0x4000_0000

    deinit {
        close(epoll)
        close(wakeDescriptor)
        unsafe scratch.deallocate()
    }
}
