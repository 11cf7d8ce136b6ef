import Service
import Wire
import XCTest

/// Offers whose senders have not come: how many there may be, and who gives way.
final class OpenOffersTests: XCTestCase {
    private let here = IPAddress(192, 0, 2, 1), there = IPAddress(192, 0, 2, 2)
    private let began = Instant(nanoseconds: 1_000_000_000)

    private func full(of address: IPAddress, robot: String = "rover") -> OpenOffers {
        var offers = OpenOffers()
        for number in 0..<OpenOffers.mostOfAddress {
            XCTAssertEqual(offers.decide(for: robot, from: address, isFull: false, at: began), .take)
            offers.add(number, to: robot, from: address, at: began + .milliseconds(number))
        }
        return offers
    }

    func testAnAddressWaitsUntilItsOldestHasHadItsTime() {
        let offers = full(of: here)
        XCTAssertEqual(offers.decide(for: "rover", from: here, isFull: false, at: began), .refuse(seconds: 2))
        XCTAssertEqual(offers.decide(for: "rover", from: here, isFull: false, at: began + .milliseconds(1500)), .refuse(seconds: 1))
        XCTAssertEqual(offers.decide(for: "rover", from: here, isFull: false, at: began + .seconds(2)), .takeInPlaceOf(0))
        XCTAssertEqual(offers.decide(for: "rover", from: there, isFull: false, at: began), .take)
    }

    func testWhoConnectsOrEndsMakesRoom() {
        var offers = full(of: here)
        offers.remove(3)
        offers.remove(3)
        XCTAssertEqual(offers.count, OpenOffers.mostOfAddress - 1)
        XCTAssertEqual(offers.decide(for: "rover", from: here, isFull: false, at: began), .take)
    }

    /// The lower half of an IPv6 address is the client's own to choose (RFC 4291 clause 2.5.4).
    func testAnIPv6NetworkIsOneAddress() {
        let offers = full(of: IPAddress("2001:db8::1")!)
        XCTAssertEqual(offers.decide(for: "rover", from: IPAddress("2001:db8::2")!, isFull: false, at: began), .refuse(seconds: 2))
        XCTAssertEqual(offers.decide(for: "rover", from: IPAddress("2001:db8:0:1::2")!, isFull: false, at: began), .take)
    }

    func testOfAFullRobotTheOldestOpenOfferGivesWayWhoseverItIs() {
        let offers = full(of: here)
        XCTAssertEqual(offers.decide(for: "rover", from: there, isFull: true, at: began), .refuse(seconds: 2))
        XCTAssertEqual(offers.decide(for: "rover", from: there, isFull: true, at: began + .seconds(3)), .takeInPlaceOf(0))
        XCTAssertEqual(offers.decide(for: "rover", from: here, isFull: true, at: began + .seconds(3)), .takeInPlaceOf(0))
        // Another robot's open offers make no place at this one.
        XCTAssertEqual(offers.decide(for: "dog", from: there, isFull: true, at: began + .seconds(3)), .full)
        XCTAssertEqual(OpenOffers().decide(for: "rover", from: there, isFull: true, at: began), .full)
    }
}
