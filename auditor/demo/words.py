"""What the shop's rows are made of: names, streets, cities, products."""

FIRST_NAMES = (
    "Amélie", "Anna", "Arthur", "Ayşe", "Björn", "Chloé", "Daniel", "Emma", "Felix", "Fiona", "Grace", "Hannah", "Hugo",
    "Ida", "Inès", "Jack", "Jonas", "Jürgen", "Karl", "Léa", "Lina", "Louis", "Lukas", "Marie", "Mia", "Noah", "Nora",
    "Olivia", "Oscar", "Paul", "Rosa", "Sophie", "Søren", "Theo", "Tom", "Yusuf", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Almeida", "Becker", "Bernard", "Çelik", "Dubois", "Evans", "Fischer", "Garcia", "Hoffmann", "Hughes",
    "Ibsen", "Jansen", "Keller", "Laurent", "Lindqvist", "Martin", "Meyer", "Moreau", "Müller", "Nowak",
    "O'Brien", "Petit", "Richter", "Roberts", "Schäfer", "Schmidt", "Smith", "Taylor", "Wagner", "Weiß", "Wilson",
    "Young",
)  # fmt: skip
LANGUAGES = ("de", "en", "fr")
STREETS = ("Lindenallee", "Hauptstraße", "Gartenweg", "Rue des Lilas", "Rue Victor Hugo", "Mill Lane", "Station Road")
CITIES = (
    ("Berlin", "DE", "10115"),
    ("München", "DE", "80331"),
    ("Köln", "DE", "50667"),
    ("Paris", "FR", "75011"),
    ("Lyon", "FR", "69002"),
    ("London", "GB", "SE1 7PB"),
    ("Leeds", "GB", "LS1 4AP"),
    ("Wien", "AT", "1010"),
)
CATEGORIES = (
    ("Kitchen", ("Pots & pans", "Knives", "Tableware")),
    ("Garden", ("Tools", "Seeds", "Furniture")),
    ("Office", ("Paper", "Pens", "Chairs")),
    ("Outdoor", ("Tents", "Backpacks", "Lamps")),
)
ADJECTIVES = ("Compact", "Classic", "Sturdy", "Light", "Large", "Folding", "Nordic", "Everyday")
MATERIALS = ("beech", "steel", "cotton", "glass", "bamboo", "linen", "oak")
TAGS = ("new", "sale", "gift", "eco", "bestseller", "handmade")
