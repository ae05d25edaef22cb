"""Countries and their capitals, which every text about the world has."""

CAPITALS = (
    ("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"), ("Germany", "Berlin"), ("England", "London"), ("Russia", "Moscow"),
    ("China", "Beijing"), ("Japan", "Tokyo"), ("Greece", "Athens"), ("Egypt", "Cairo"), ("Poland", "Warsaw"), ("Austria", "Vienna"),
    ("Hungary", "Budapest"), ("Portugal", "Lisbon"), ("Ireland", "Dublin"), ("Norway", "Oslo"), ("Sweden", "Stockholm"),
    ("Denmark", "Copenhagen"), ("Finland", "Helsinki"), ("Belgium", "Brussels"), ("Turkey", "Ankara"), ("Iran", "Tehran"),
    ("Iraq", "Baghdad"), ("Afghanistan", "Kabul"), ("Cuba", "Havana"), ("Canada", "Ottawa"), ("Kenya", "Nairobi"),
    ("Thailand", "Bangkok"), ("Vietnam", "Hanoi"), ("Pakistan", "Islamabad"), ("Syria", "Damascus"), ("Lebanon", "Beirut"),
    ("Libya", "Tripoli"), ("Ukraine", "Kiev"), ("Romania", "Bucharest"), ("Bulgaria", "Sofia"), ("Serbia", "Belgrade"),
    ("Croatia", "Zagreb"), ("Chile", "Santiago"), ("Peru", "Lima"), ("Venezuela", "Caracas"), ("Indonesia", "Jakarta"),
    ("Nepal", "Kathmandu"), ("Scotland", "Edinburgh"), ("Tunisia", "Tunis"), ("Ghana", "Accra"), ("Uganda", "Kampala"),
    ("Georgia", "Tbilisi"), ("Armenia", "Yerevan"),
)  # fmt: skip
"""Countries and the cities that rule them, where both are one word."""
