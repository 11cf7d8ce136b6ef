internal import COpenSSL
import Wire

/// One endpoint's side of the BIO through which OpenSSL reads and writes datagrams: its in-memory BIOs lose the boundaries between them.
@safe final class DatagramPort {
    /// What the handshake's timer was last told to do.
    enum Timer {
        case stopped, started
    }

    /// The datagram now being received, while `receive` runs; read whole or not at all.
    var input: UnsafeBufferPointer<UInt8>?
    var output = Ring<[UInt8]>(limit: 64)
    /// Datagrams that did not fit `output`.
    var droppedDatagrams = 0
    /// Called when OpenSSL has sent a flight (or everything was acknowledged): the endpoint's clock takes over from there.
    var timer = Timer.stopped
    /// Set when `timer` changed, until the endpoint looked.
    var timerChanged = false
    /// Whether a flight was sent that awaits an answer, or did.
    var hasSentFlight = false
    /// Set when a flight was answered, until the endpoint looked: the next one begins with a short timer.
    var flightWasAnswered = false
    /// OpenSSL's own idea of its deadline; see `DatagramBIO.control`.
    var libraryDeadline: UnsafeMutablePointer<timeval>?
    /// Asked during the handshake about the peer's certificate.
    var accepts: ((_ x509: OpaquePointer) -> Bool)?
}

enum DatagramBIO {
    /// Largest datagram, in bytes.
    static let pathMTU = 1200

    static func makeMethod() -> OpaquePointer? {
        guard let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams") else { return nil }
        unsafe BIO_meth_set_create(method) { bio in
            unsafe BIO_set_init(bio, 1)
            return 1
        }
        unsafe BIO_meth_set_write(method) { bio, bytes, count in unsafe DatagramBIO.write(bio, bytes, count) }
        unsafe BIO_meth_set_read(method) { bio, bytes, count in unsafe DatagramBIO.read(bio, bytes, count) }
        unsafe BIO_meth_set_ctrl(method) { bio, command, _, argument in unsafe DatagramBIO.control(bio, command, argument) }
        return unsafe method
    }

    static func port(_ bio: OpaquePointer?) -> DatagramPort? {
        guard let data = unsafe BIO_get_data(bio) else { return nil }
        return unsafe Unmanaged<DatagramPort>.fromOpaque(data).takeUnretainedValue()
    }

    private static func write(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
        guard let port = unsafe port(bio), let bytes = unsafe bytes, count > 0 else { return -1 }
        let datagram = unsafe Array(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
        // A full queue loses the datagram as a network would: the handshake's timer or SCTP repeats it.
        if !port.output.append(datagram) { port.droppedDatagrams += 1 }
        return count
    }

    private static func read(_ bio: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
        unsafe BIO_clear_flags(bio, Constant.anyRetry)
        guard let port = unsafe port(bio), let datagram = unsafe port.input, let bytes = unsafe bytes, count > 0 else {
            unsafe BIO_set_flags(bio, Constant.retryRead)
            return -1
        }
        unsafe port.input = nil
        let taken = min(datagram.count, Int(count))
        if let first = datagram.baseAddress { unsafe UnsafeMutableRawPointer(bytes).copyMemory(from: first, byteCount: taken) }
        return Int32(taken)
    }

    private static func control(_ bio: OpaquePointer?, _ command: Int32, _ argument: UnsafeMutableRawPointer?) -> Int {
        switch command {
        case BIO_CTRL_FLUSH: return 1
        case BIO_CTRL_DGRAM_QUERY_MTU: return pathMTU
        case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: return 28
        case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
            if let port = unsafe port(bio), let deadline = unsafe argument?.assumingMemoryBound(to: timeval.self) {
                unsafe noteTimer(port, deadline)
            }
            return 0
        default: return 0
        }
    }

    /// OpenSSL 3.0 tells its BIO each time that the retransmission timer starts or stops, by the address of the deadline itself, and compares
    /// that deadline with gettimeofday. A wall clock can be set while a handshake runs and is none of our engine's: so the deadline is moved out
    /// of the library's reach here, and into the past by the endpoint when the time that it is told has come.
    private static func noteTimer(_ port: DatagramPort, _ deadline: UnsafeMutablePointer<timeval>) {
        port.timerChanged = true
        if unsafe deadline.pointee.tv_sec == 0 && deadline.pointee.tv_usec == 0 {
            port.timer = .stopped
            port.flightWasAnswered = true
            return
        }
        port.timer = .started
        port.hasSentFlight = true
        guard deadlineIsOurs else { return }
        unsafe deadline.pointee = timeval(tv_sec: .max / 4, tv_usec: 0)
        unsafe port.libraryDeadline = deadline
    }

    /// From 3.2 on the address is that of a copy, and the durations of the timer callback (see `OpenSSLDTLSEndpoint`) have to do.
    static let deadlineIsOurs = OpenSSL_version_num() >> 20 < 0x302
}
