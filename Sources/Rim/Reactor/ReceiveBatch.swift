internal import CLinux
import Glibc
import Wire

/// Where datagrams are received to: one for all sockets of a reactor, whose thread reads one at a time.
@safe final class ReceiveBatch {
    static let capacity = 16
    /// The most that the kernel joins into one; of a slot that a small datagram fills, only the first page is ever touched.
    private static let slot = 65_536
    /// The longest datagram that is taken.
    private static let longest = 2048

    private let storage: UnsafeMutableRawPointer
    private let lengths: UnsafeMutablePointer<UInt32>
    private let segments: UnsafeMutablePointer<UInt32>
    private let names: UnsafeMutablePointer<sockaddr_storage>
    private let receiver: OpaquePointer

    init() {
        unsafe storage = .allocate(byteCount: Self.capacity * Self.slot, alignment: 4096)
        unsafe lengths = .allocate(capacity: Self.capacity)
        unsafe segments = .allocate(capacity: Self.capacity)
        unsafe names = .allocate(capacity: Self.capacity)
        unsafe names.initialize(repeating: sockaddr_storage(), count: Self.capacity)
        guard let receiver = unsafe waldo_receiver_new(storage, Self.slot, names, UInt32(Self.capacity)) else {
            preconditionFailure("out of memory")
        }
        unsafe self.receiver = receiver
    }

    deinit {
        unsafe waldo_receiver_free(receiver)
        unsafe storage.deallocate()
        unsafe lengths.deallocate()
        unsafe segments.deallocate()
        unsafe names.deallocate()
    }

    /// How many slots were filled.
    func read(_ descriptor: Int32) -> Int {
        unsafe max(0, Int(waldo_receive(receiver, descriptor, lengths, segments)))
    }

    /// Hands on the datagrams of a slot. One that is longer than nearly every path takes is nothing of ours, and left out.
    func withDatagrams(_ index: Int, _ handle: (Span<UInt8>, SocketAddress) -> Void) {
        let length = unsafe min(Int(lengths[index]), Self.slot)
        let segment = unsafe segments[index] > 0 ? Int(segments[index]) : length
        guard length > 0, segment <= Self.longest, let address = unsafe SocketAddress(&names[index]) else { return }
        let base = unsafe (storage + index * Self.slot).assumingMemoryBound(to: UInt8.self)
        for start in stride(from: 0, to: length, by: segment) {
            let buffer = unsafe UnsafeBufferPointer(start: base + start, count: min(segment, length - start))
            unsafe handle(Span(_unsafeElements: buffer), address)
        }
    }
}
