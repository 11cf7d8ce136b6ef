import Crypto
import RTC
import TestSupport
import Wire
import XCTest

/// Two real DTLS endpoints and a network between them on a virtual clock: every delay, loss and repetition comes from the seed.
final class DTLSLink {
    struct Side {
        let endpoint: any DTLSEndpoint
        var keys: SRTPKeyingMaterial?
        var isConnected = false
        var isClosed = false
        var failure: String?
        var data: [[UInt8]] = []
        var sent: [[UInt8]] = []
    }

    var sides: [Side]
    var now = Instant(nanoseconds: 5_000_000_000)
    var wire: LossyWire
    /// Sees every datagram before the network does; nil keeps it.
    var tamper: ((_ from: Int, [UInt8]) -> [[UInt8]])?

    init(client: any DTLSEndpoint, server: any DTLSEndpoint, _ conditions: LossyWire.Conditions = .init(), seed: UInt64 = 1) {
        sides = [Side(endpoint: client), Side(endpoint: server)]
        wire = LossyWire(conditions, seed: seed)
    }

    func start(clientExpects: [Fingerprint], serverExpects: [Fingerprint]) {
        sides[1].endpoint.start(role: .server, peerFingerprints: serverExpects, at: now)
        sides[0].endpoint.start(role: .client, peerFingerprints: clientExpects, at: now)
        drain()
    }

    func send(_ bytes: [UInt8], from side: Int) {
        sides[side].endpoint.send(bytes.span, at: now)
        drain()
    }

    func inject(_ bytes: [UInt8], to side: Int) {
        sides[side].endpoint.receive(bytes.span, at: now)
        drain()
    }

    /// Runs until `done`, or until nothing more can happen, or `limit` has passed.
    func run(limit: Duration = .milliseconds(40_000), until done: (DTLSLink) -> Bool) {
        let end = now + limit
        while !done(self) {
            var next = wire.nextArrival
            for side in sides { next = earlier(next, side.endpoint.deadline) }
            guard let next, next <= end else {
                now = end
                return
            }
            now = max(now, next)
            for datagram in wire.arrivals(by: now) { sides[datagram.to].endpoint.receive(datagram.bytes.span, at: now) }
            for side in sides { side.endpoint.advance(to: now) }
            drain()
        }
    }

    func drain() {
        for i in 0..<2 {
            while let datagram = sides[i].endpoint.nextDatagram() {
                XCTAssertLessThanOrEqual(datagram.count, 1200)
                sides[i].sent.append(datagram)
                for bytes in tamper?(i, datagram) ?? [datagram] { wire.send(bytes, to: 1 - i, at: now) }
            }
            while let event = sides[i].endpoint.nextEvent() {
                switch event {
                case .connected(let keys):
                    sides[i].isConnected = true
                    sides[i].keys = keys
                case .data(let bytes):
                    XCTAssertTrue(sides[i].isConnected, "data before the peer was verified")
                    sides[i].data.append(bytes)
                case .closed: sides[i].isClosed = true
                case .failed(let reason): sides[i].failure = reason
                }
            }
        }
    }
}
