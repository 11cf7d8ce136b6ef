internal import CUsrsctp
import Glibc
public import RTC
import Wire

/// usrsctp is one library with one global state, one clock and one table of addresses in a process: this is the one who owns it.
/// All associations live on one thread at a time; the first association after a pause decides which.
public final class SCTPStack {
    // Global because the library is, and its output callback carries no context but the address. Only the owner thread comes here (checked
    // whenever an association is made or told something).
    nonisolated(unsafe) private static let shared = SCTPStack()

    public static func makeAssociation(_ parameters: SCTPParameters) -> any SCTPAssociation {
        unsafe UsrsctpAssociation(parameters, stack: shared.claimed())
    }

    /// Streams each way, and so the number of data channels that can be open at once; `send` on a higher one answers false. usrsctp takes
    /// 104 bytes for each at once: an association has 40 kB with 256, 119 kB with 1024.
    public static var streams: UInt16 { 256 }

    /// How finely usrsctp's timers are driven while something happens.
    static let tick = Duration.milliseconds(10)
    /// A longer leap than this is no time in which something could have happened: the machine slept.
    private static let longestLeap = Duration.milliseconds(20_000)

    private var mailboxes: [UInt: SCTPMailbox] = [:]
    private var nextID: UInt = 1
    private var owner: pthread_t = pthread_self()
    private(set) var lastTick = Instant.zero
    /// Nobody has told the time since associations were made again: their clock may be another one.
    private var hasClock = false

    private init() {
        unsafe usrsctp_init_nothreads(
            0,
            { address, packet, length, _, _ in
                unsafe SCTPStack.shared.output(UInt(bitPattern: address), UnsafeRawBufferPointer(start: packet, count: length))
                return 0
            }, nil)
        Self.configure()
    }

    /// Values for a link of 1200-byte datagrams with congestion control of its own kind above it; the rest is usrsctp's.
    private static func configure() {
        let settings: [(Int32, String)] = [
            (usrsctp_sysctl_set_sctp_ecn_enable(0), "ecn"),  // no ECN bits in DTLS records
            (usrsctp_sysctl_set_sctp_pr_enable(1), "pr"),
            (usrsctp_sysctl_set_sctp_reconfig_enable(1), "reconfig"),
            (usrsctp_sysctl_set_sctp_auth_enable(0), "auth"),  // DTLS authenticates
            (usrsctp_sysctl_set_sctp_asconf_enable(0), "asconf"),
            (usrsctp_sysctl_set_sctp_blackhole(2), "blackhole"),  // strangers get no answer
            (usrsctp_sysctl_set_sctp_initial_cwnd(10), "cwnd"),
            (usrsctp_sysctl_set_sctp_max_burst_default(10), "burst"),
            (usrsctp_sysctl_set_sctp_max_chunks_on_queue(10_240), "chunks"),
            (usrsctp_sysctl_set_sctp_delayed_sack_time_default(20), "sack"),
            (usrsctp_sysctl_set_sctp_rto_initial_default(1000), "rto"),
            (usrsctp_sysctl_set_sctp_rto_min_default(200), "rto"),
            (usrsctp_sysctl_set_sctp_rto_max_default(10_000), "rto"),
            (usrsctp_sysctl_set_sctp_init_rto_max_default(10_000), "rto"),
            (usrsctp_sysctl_set_sctp_heartbeat_interval_default(10_000), "heartbeat"),
            (usrsctp_sysctl_set_sctp_sendspace(UInt32(UsrsctpAssociation.bufferSize)), "send space"),
            (usrsctp_sysctl_set_sctp_recvspace(UInt32(UsrsctpAssociation.bufferSize)), "receive space"),
        ]
        for (result, name) in settings { precondition(result == 0, "usrsctp refuses its setting of \(name)") }
    }

    // MARK: - Associations

    func register() -> (id: UInt, mailbox: SCTPMailbox) {
        let id = nextID
        nextID += 1
        let mailbox = SCTPMailbox()
        mailboxes[id] = mailbox
        unsafe usrsctp_register_address(UnsafeMutableRawPointer(bitPattern: id))
        return (id, mailbox)
    }

    func deregister(_ id: UInt) {
        guard mailboxes.removeValue(forKey: id) != nil else { return }
        unsafe usrsctp_deregister_address(UnsafeMutableRawPointer(bitPattern: id))
    }

    /// Where what usrsctp says about association `id` goes.
    static func mailbox(_ id: UInt) -> SCTPMailbox? { unsafe shared.mailboxes[id] }

    private func output(_ id: UInt, _ packet: UnsafeRawBufferPointer) {
        mailboxes[id]?.post(packet: unsafe [UInt8](packet))
    }

    // MARK: - Thread and time

    private func claimed() -> SCTPStack {
        if mailboxes.isEmpty {
            owner = pthread_self()
            hasClock = false
        }
        assertOwner()
        return self
    }

    func assertOwner() {
        precondition(
            pthread_equal(owner, pthread_self()) != 0,
            "every SCTP association of a process lives on one thread: usrsctp has one global state")
    }

    /// Tells the library the time, in whole ticks. What is told of an earlier moment than before changes nothing: datagrams that came
    /// together bear the time at which they came, and what is done meanwhile bears a later one.
    func advance(to now: Instant) {
        assertOwner()
        let passed = now - lastTick
        guard hasClock, passed <= Self.longestLeap else {
            hasClock = true
            lastTick = now
            return
        }
        guard passed >= Self.tick else { return }
        var ticks = passed.nanoseconds / Self.tick.nanoseconds
        while ticks > 0 {
            // One at a time: a timer that runs out may set another that runs out in the same gap. Ten in a pause, in which nobody waits.
            let step = ticks > 20 ? 10 : 1 as Int64
            ticks -= step
            lastTick += Self.tick * step
            usrsctp_handle_timers(UInt32((Self.tick * step).wholeMilliseconds))
        }
    }
}
