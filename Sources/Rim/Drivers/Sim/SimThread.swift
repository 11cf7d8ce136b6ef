import Glibc
import Reactor

/// What runs on a thread of its own. It is made on another, which does not touch it again.
protocol SimWorker: AnyObject {
    /// At most 15 bytes.
    var threadName: String { get }
    /// How much the thread gives way to others: −20 (not at all) to 19; negative ones are granted to those who may.
    var niceness: Int32 { get }
    func run()
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
                setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, worker.niceness)  // 0: this thread
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
