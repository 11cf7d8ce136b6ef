internal import CLinux
import Glibc
import Synchronization
import Wire

/// Asks the system's resolver for addresses of names on a thread of its own, as getaddrinfo waits. Lives on the reactor.
public final class NameResolver {
    private let thread: ResolverThread
    private let reactor: Reactor
    private var waiting: [Int: ([IPAddress]) -> Void] = [:]
    private var nextRequest = 0

    public init(reactor: Reactor) throws(SystemError) {
        self.reactor = reactor
        thread = try ResolverThread()
        try thread.answers.open(on: reactor) { [weak self] answer in self?.waiting.removeValue(forKey: answer.request)?(answer.addresses) }
        try thread.start()
    }

    deinit {
        thread.stop()
        thread.answers.close(on: reactor)
    }

    /// Tells the addresses later, in the system's order of preference; none when the name is unknown. None, and at once, when too many names wait.
    public func resolve(_ name: String, _ completion: @escaping ([IPAddress]) -> Void) {
        guard waiting.count < ResolverThread.limit else { return completion([]) }
        nextRequest += 1
        waiting[nextRequest] = completion
        thread.ask(ResolverThread.Question(request: nextRequest, name: name))
    }
}

private final class ResolverThread: Sendable {
    struct Question: Sendable {
        let request: Int
        let name: String
    }

    struct Answer: Sendable {
        let request: Int
        let addresses: [IPAddress]
    }

    let answers: Mailbox<Answer>
    private let questions = Lock<[Question]>([])
    private let isStopped = Atomic<Bool>(false)
    private let bell: Int32
    /// Names under way at once, answers not yet fetched included: what bounds both queues.
    static let limit = 64

    init() throws(SystemError) {
        answers = try Mailbox(limit: Self.limit)
        bell = eventfd(0, Int32(EFD_CLOEXEC))
        guard bell >= 0 else { throw SystemError("eventfd") }
    }

    deinit { close(bell) }

    func ask(_ question: Question) {
        questions.withLock { $0.append(question) }
        ring()
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        ring()
    }

    private func ring() {
        var one: UInt64 = 1
        _ = unsafe write(bell, &one, 8)
    }

    func start() throws(SystemError) {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<ResolverThread>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context)
        guard code == 0 else {
            unsafe Unmanaged<ResolverThread>.fromOpaque(context).release()
            throw SystemError("pthread_create", "resolver", code: code)
        }
        pthread_detach(thread)
    }

    private func run() {
        _ = unsafe waldo_name_thread("waldo-resolver")
        while !isStopped.load(ordering: .relaxed) {
            var count: UInt64 = 0
            _ = unsafe read(bell, &count, 8)
            while !isStopped.load(ordering: .relaxed), let question = questions.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
                _ = answers.put(Answer(request: question.request, addresses: Self.addresses(of: question.name)))
            }
        }
    }

    private static func addresses(of name: String) -> [IPAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        unsafe hints.ai_family = AF_UNSPEC
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { unsafe freeaddrinfo(list) }
        var found: [IPAddress] = []
        var entry = unsafe list
        while let current = unsafe entry, found.count < 16 {
            unsafe entry = current.pointee.ai_next
            guard let name = unsafe current.pointee.ai_addr else { continue }
            var storage = sockaddr_storage()
            let length = unsafe min(Int(current.pointee.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
            unsafe withUnsafeMutableBytes(of: &storage) {
                unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: name, count: length))
            }
            if let ip = SocketAddress(&storage)?.ip, !found.contains(ip) { found.append(ip) }
        }
        return found
    }
}
