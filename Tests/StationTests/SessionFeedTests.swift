import Service
import Usage
import XCTest

final class SessionFeedTests: XCTestCase {
    private func session(_ name: String, _ role: SessionList.Session.Role, since: Int64) -> SessionList.Session {
        SessionList.Session(operatorName: name, role: role, since: since, remote: "192.0.2.1:5000")
    }

    func testWhoDrivesIsToldAlsoWhereThereAreMoreThanAreTold() throws {
        let viewers = (0..<100).map { session("viewer \($0)", .viewer, since: Int64($0)) }
        let list = SessionList(source: "waldo", sessions: SessionFeed.inOrder(viewers + [session("Ada", .driver, since: 500)]))
        let told = try SessionsLayout.sessions(of: SessionsLayout.body(list).span)
        XCTAssertEqual(told.sessions.count, SessionsLayout.mostSessions)
        XCTAssertEqual(told.sessions.first?.operatorName, "Ada")
        XCTAssertEqual(told.sessions.dropFirst().map(\.since), Array(0..<63))
    }

    func testTheSameSessionsAreTheSameInAnyOrder() {
        let some = [session("b", .viewer, since: 1), session("a", .viewer, since: 1), session("c", .driver, since: 9)]
        XCTAssertEqual(SessionFeed.inOrder(some), SessionFeed.inOrder(some.reversed()))
        XCTAssertEqual(SessionFeed.inOrder(some).map(\.operatorName), ["c", "a", "b"])
    }
}
