import Glibc
import Reactor

/// What runs on a thread of its own. It is made on another, which does not touch it again.
protocol SimWorker: AnyObject {
    /// At most 15 bytes.
    var threadName: String { get }
    var urgency: SimUrgency { get }
    func run()
}

enum SimUrgency {
    /// Keeps time whatever else runs, where the system grants that: for little work.
    case realTime
    case usual
    /// Gives way to what is more urgent.
    case patient

    /// For the calling thread.
    func take() {
        switch self {
        case .realTime:
            Reactor.shortenTurnsOfThisThread()
            Reactor.putThisThreadFirst(.motors)
        case .usual: break
        case .patient: setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 4)  // 0: this thread
        }
    }
}

/// A thread that somebody waits for.
struct SimThread: Sendable {
    private let thread: pthread_t

    /// Hands the worker over.
    init(_ worker: any SimWorker) throws(SimError) {
        final class Parcel {
            let worker: any SimWorker
            init(_ worker: any SimWorker) { self.worker = worker }
        }
        var thread = pthread_t()
        let parcel = unsafe Unmanaged.passRetained(Parcel(worker)).toOpaque()
        let code = unsafe pthread_create(
            &thread, nil,
            { parcel in
                let worker = unsafe Unmanaged<Parcel>.fromOpaque(parcel!).takeRetainedValue().worker
                Reactor.nameThisThread(worker.threadName)
                worker.urgency.take()
                worker.run()
                return nil
            }, parcel)
        guard code == 0 else {
            unsafe Unmanaged<Parcel>.fromOpaque(parcel).release()
            throw .thread(code: code)
        }
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}
