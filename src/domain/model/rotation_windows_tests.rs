use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn window(schedule: &str, time_zone: &str, hours: i64) -> Result<RotationWindow, String> {
    RotationWindow::parse(schedule, time_zone, SignedDuration::from_hours(hours))
}

fn due(text: &str) -> RotationStart {
    RotationStart { due: at(text), share: 0, expires: None }
}

/// Saturdays from 02:00 to 06:00.
fn saturdays() -> RotationWindows {
    RotationWindows::new([window("0 2 * * 6", "UTC", 4)])
}

#[test]
fn without_windows_a_rotation_starts_when_it_is_due() {
    let none = RotationWindows::default();
    let rotation = due("2030-01-02T03:04:05Z");
    assert_eq!(none.start(rotation, at("2030-01-01T00:00:00Z")), rotation.due);
    assert_eq!(none.problem(rotation, rotation.due), None);
}

#[test]
fn a_rotation_waits_for_a_window_and_starts_in_one_that_is_open() {
    let now = at("2030-01-01T00:00:00Z");
    for (is_due, starts) in [
        ("2030-01-03T12:00:00Z", "2030-01-05T02:00:00Z"),
        ("2030-01-05T02:00:00Z", "2030-01-05T02:00:00Z"),
        ("2030-01-05T05:59:59Z", "2030-01-05T05:59:59Z"),
        ("2030-01-05T06:00:00Z", "2030-01-12T02:00:00Z"),
    ] {
        assert_eq!(saturdays().start(due(is_due), now), at(starts), "{is_due}");
    }
}

#[test]
fn a_missed_window_is_followed_by_the_next_one() {
    let rotation = due("2030-01-03T12:00:00Z");
    for (now, starts) in [
        ("2030-01-05T05:59:59Z", "2030-01-05T02:00:00Z"),
        ("2030-01-05T06:00:00Z", "2030-01-12T02:00:00Z"),
        ("2030-01-12T03:00:00Z", "2030-01-12T02:00:00Z"),
    ] {
        assert_eq!(saturdays().start(rotation, at(now)), at(starts), "{now}");
    }
}

#[test]
fn rotations_are_spread_over_the_first_half_of_a_window() {
    let start =
        |share| saturdays().start(RotationStart { share, ..due("2030-01-03T12:00:00Z") }, Timestamp::UNIX_EPOCH);
    assert_eq!(start(0), at("2030-01-05T02:00:00Z"));
    assert_eq!(start(500), at("2030-01-05T03:00:00Z"));
    assert!(start(999) < at("2030-01-05T04:00:00Z"));
}

#[test]
fn a_window_follows_the_clock_of_its_time_zone() {
    let nights = RotationWindows::new([window("0 2 * * *", "Europe/Amsterdam", 1)]);
    let start = |text: &str| nights.start(due(text), Timestamp::UNIX_EPOCH);
    assert_eq!(start("2030-01-15T12:00:00Z"), at("2030-01-16T01:00:00Z"));
    assert_eq!(start("2030-07-15T12:00:00Z"), at("2030-07-16T00:00:00Z"));
}

#[test]
fn the_earliest_of_several_windows_counts() {
    let both = RotationWindows::new([window("0 2 * * 6", "UTC", 4), window("0 22 * * 3", "UTC", 1)]);
    assert_eq!(both.start(due("2030-01-01T12:00:00Z"), Timestamp::UNIX_EPOCH), at("2030-01-02T22:00:00Z"));
}

#[test]
fn a_window_that_never_opens_is_ignored_and_reported() {
    let never = RotationWindows::new([window("0 0 30 2 *", "UTC", 1)]);
    let rotation = due("2030-01-01T12:00:00Z");
    assert_eq!(never.start(rotation, Timestamp::UNIX_EPOCH), rotation.due);
    let problem = never.problem(rotation, rotation.due).expect("reported");
    assert!(problem.contains("opens within four years") && problem.contains("rotated when that is due"), "{problem}");
}

#[test]
fn a_window_after_the_expiry_of_the_token_is_ignored_and_reported() {
    let rotation = RotationStart { expires: Some(at("2030-01-05T01:00:00Z")), ..due("2030-01-03T12:00:00Z") };
    assert_eq!(saturdays().start(rotation, Timestamp::UNIX_EPOCH), rotation.due);
    let problem = saturdays().problem(rotation, rotation.due).expect("reported");
    assert!(problem.contains("before the token expires at 2030-01-05T01:00:00Z"), "{problem}");
    let later = RotationStart { expires: Some(at("2030-01-05T03:00:00Z")), ..rotation };
    assert_eq!(saturdays().start(later, Timestamp::UNIX_EPOCH), at("2030-01-05T02:00:00Z"));
    assert_eq!(saturdays().problem(later, later.due), None);
}

#[test]
fn an_invalid_window_is_reported_and_the_others_apply() {
    for (schedule, zone) in [("0 25 * * *", "UTC"), ("0 2 * *", "UTC"), ("0 2 * * *", "Europe/Atlantis")] {
        let some = RotationWindows::new([window(schedule, zone, 1), window("0 2 * * 6", "UTC", 4)]);
        let rotation = due("2030-01-03T12:00:00Z");
        assert_eq!(some.start(rotation, Timestamp::UNIX_EPOCH), at("2030-01-05T02:00:00Z"));
        let problem = some.problem(rotation, rotation.due).expect("reported");
        assert!(problem.contains(schedule) && problem.contains("the other windows apply"), "{problem}");
        let none = RotationWindows::new([window(schedule, zone, 1)]);
        assert_eq!(none.start(rotation, Timestamp::UNIX_EPOCH), rotation.due);
        assert!(none.problem(rotation, rotation.due).is_some_and(|text| text.contains("rotated when that is due")));
    }
}

#[test]
fn times_at_the_end_of_the_calendar_are_no_problem() {
    for now in [Timestamp::MIN, Timestamp::MAX] {
        let rotation = RotationStart { due: now, share: 999, expires: None };
        let _ = (saturdays().start(rotation, now), saturdays().problem(rotation, now));
    }
}
