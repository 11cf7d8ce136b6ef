import RTC
import Reactor
import Service
import TestSupport
import Wire
import XCTest

final class HostNamesTests: XCTestCase {
    /// RFC 6762 clause 5.1: a name under `.local` is asked for by multicast, and whoever owns it answers.
    func testNamesUnderLocalAreFoundByMulticast() async throws {
        let loop = try Loop()
        let name = "6f1c2b7e-0000-4000-8000-00000000abcd.local"
        let owned = IPAddress(192, 0, 2, 77)
        let found = Lock<[[IPAddress]]>([])
        try await loop.run { loop in
            let responder = try UDPSocket(group: MulticastDNS.v4, interfaces: hostAddresses(), reactor: loop.reactor) { socket in
                socket.receive { bytes, _ in
                    if let answer = MulticastDNS.answer(to: bytes, names: [name: [owned]]) { socket.multicast(answer, to: MulticastDNS.v4) }
                }
            }
            _ = loop.keep(responder)
            let names = loop.keep(HostNames(reactor: loop.reactor))
            names.resolve(name.uppercased()) { addresses in found.withLock { $0.append(addresses) } }
            names.resolve(name) { addresses in found.withLock { $0.append(addresses) } }
        }
        try await eventually("two answers") { found.withLock { $0.count } >= 2 }
        XCTAssertEqual(found.withLock { $0 }, [[owned], [owned]])
        await loop.stop()
    }

    func testNamesThatNobodyOwnsAreGivenUpWithinSeconds() async throws {
        let loop = try Loop()
        let found = Lock<[String: [IPAddress]]>([:])
        await loop.run { loop in
            let names = loop.keep(HostNames(reactor: loop.reactor))
            for name in ["nobody-has-this.local", "no-such-host.invalid"] {
                names.resolve(name) { addresses in found.withLock { $0[name] = addresses } }
            }
        }
        try await eventually("both are answered") { found.withLock { $0.count } == 2 }
        XCTAssertEqual(found.withLock { $0 }, ["nobody-has-this.local": [], "no-such-host.invalid": []])
        await loop.stop()
    }
}
