import CVirtualTime
import DataLink
import RTC
import TestSupport
import Wire
import XCTest

/// Two associations of the real usrsctp and a network between them, on a virtual clock that the library sees too.
final class SCTPLink {
    struct Message: Equatable {
        var stream: UInt16
        var protocolID: UInt32
        var bytes: [UInt8]
    }

    struct Side {
        let association: any SCTPAssociation
        var isConnected = false
        var isClosed = false
        var failure: String?
        var messages: [Message] = []
        var incomingResets: [UInt16] = []
        var outgoingResets: [UInt16] = []
        var packets = 0
    }

    var sides: [Side]
    var now: Instant { didSet { virtual_time_set(1_790_000_000_000_000 + now.nanoseconds / 1000) } }
    var wire: LossyWire
    let maximumPacket: Int

    init(_ conditions: LossyWire.Conditions = .init(), seed: UInt64 = 1, maximumPacket: Int = 1163, maximumMessage: Int = 262_144) {
        wire = LossyWire(conditions, seed: seed)
        self.maximumPacket = maximumPacket
        now = Instant(nanoseconds: 0)
        let parameters = SCTPParameters(maximumPacket: maximumPacket, maximumMessage: maximumMessage)
        sides = [
            Side(association: SCTPStack.makeAssociation(parameters)), Side(association: SCTPStack.makeAssociation(parameters)),
        ]
        now = Instant(nanoseconds: 1_000_000_000)
    }

    deinit { virtual_time_off() }

    func connect() {
        for side in sides { side.association.start(at: now) }
        drain()
        run { $0.sides[0].isConnected && $0.sides[1].isConnected }
    }

    @discardableResult
    func send(
        _ bytes: [UInt8], from side: Int, stream: UInt16 = 0, protocolID: UInt32 = 53, isOrdered: Bool = true,
        reliability: Reliability = .reliable
    ) -> Bool {
        let message = SCTPMessage(
            stream: StreamID(stream), protocolID: protocolID, bytes: bytes, isOrdered: isOrdered, reliability: reliability)
        let isTaken = sides[side].association.send(message, at: now)
        drain()
        return isTaken
    }

    /// Runs until `done` or until `limit` has passed; how many times anybody was woken.
    @discardableResult
    func run(limit: Duration = .milliseconds(60_000), until done: (SCTPLink) -> Bool = { _ in false }) -> Int {
        let end = now + limit
        var wakes = 0
        while !done(self) {
            var next = wire.nextArrival
            for side in sides { next = earlier(next, side.association.deadline) }
            guard let next, next <= end else {
                now = end
                return wakes
            }
            now = max(now, next)
            wakes += 1
            for datagram in wire.arrivals(by: now) { sides[datagram.to].association.receive(datagram.bytes.span, at: now) }
            for side in sides { side.association.advance(to: now) }
            drain()
        }
        return wakes
    }

    func drain() {
        for i in 0..<2 {
            while let packet = sides[i].association.nextPacket() {
                XCTAssertLessThanOrEqual(packet.count, maximumPacket)
                sides[i].packets += 1
                wire.send(packet, to: 1 - i, at: now)
            }
            while let event = sides[i].association.nextEvent() {
                switch event {
                case .connected: sides[i].isConnected = true
                case .message(let stream, let protocolID, let bytes):
                    sides[i].messages.append(Message(stream: stream.rawValue, protocolID: protocolID, bytes: bytes))
                case .incomingReset(let streams): sides[i].incomingResets += streams.map(\.rawValue)
                case .outgoingReset(let streams): sides[i].outgoingResets += streams.map(\.rawValue)
                case .closed: sides[i].isClosed = true
                case .failed(let reason): sides[i].failure = reason
                }
            }
        }
    }
}
