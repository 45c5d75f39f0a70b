/** Behaviour of the geo commands. */
import { behaviour, double, error, NULL_ARRAY, OK, simple, unordered, type Step } from './behaviour.ts';

const SYNTAX_ERROR = error('ERR syntax error');
const NOT_A_FLOAT = error('ERR value is not a valid float');
const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const UNKNOWN_UNIT = error('ERR unsupported unit provided. please use M, KM, FT, MI');
const NEGATIVE_RADIUS = error('ERR radius cannot be negative');
const NO_SUCH_MEMBER = error('ERR could not decode requested zset member');

function arity(name: string) {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

const SICILY: Step = ['GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania', 2];
const PALERMO = [double('13.36138933897018433'), double('38.11555639549629859')];
const CATANIA = [double('15.08726745843887329'), double('37.50266842333162032')];

/** Some cities, and the corners of the map. */
const CITIES: Step = [
  'GEOADD cities 2.3522 48.8566 Paris 13.405 52.52 Berlin -0.1276 51.5072 London 12.4964 41.9028 Rome ' +
    '-74.006 40.7128 NewYork 151.2093 -33.8688 Sydney 139.6917 35.6895 Tokyo 18.4241 -33.9249 CapeTown ' +
    '180 85.05112878 NorthEast -180 -85.05112878 SouthWest 0 0 Origin 179.9 0 East -179.9 0 West',
  13,
];

// Places ----------------------------------------------------------------------------------------------------

behaviour('GEOADD gives members scores', [
  SICILY,
  ['TYPE Sicily', simple('zset')],
  ['GEOADD Sicily 13.361389 38.115556 Palermo', 0],
  ['GEOADD Sicily CH 13.361389 38.2 Palermo 13 37 Agrigento', 2],
  ['GEOADD Sicily NX 1 1 Palermo 2 2 Enna', 1],
  ['GEOADD Sicily XX CH 1 1 Palermo 2 2 Messina', 1],
  ['GEOADD Sicily xx 3 3 Palermo', 0],
  ['GEOPOS Sicily Messina', [NULL_ARRAY]],
  ['GEOADD none XX 1 1 m', 0],
  ['EXISTS none', 0],
]);

behaviour('GEOADD says what is wrong with its arguments', [
  ['GEOADD k 1 2', arity('geoadd')],
  ['GEOADD k 1 2 m 3', SYNTAX_ERROR],
  ['GEOADD k NX XX 1 2 m', SYNTAX_ERROR],
  ['GEOADD k NX CH NX', SYNTAX_ERROR],
  ['GEOADD k GT 1 2', NOT_A_FLOAT],
  ['GEOADD k x 2 m', NOT_A_FLOAT],
  ['GEOADD k 1 nan m', NOT_A_FLOAT],
  ['GEOADD k 181 2 m', error('ERR invalid longitude,latitude pair 181.000000,2.000000')],
  ['GEOADD k 1 2 m 1 -85.1 n', error('ERR invalid longitude,latitude pair 1.000000,-85.100000')],
  ['GEOADD k inf -1e22 m', error('ERR invalid longitude,latitude pair inf,-10000000000000000000000.000000')],
  ['EXISTS k', 0],
]);

behaviour('GEOPOS tells where members are', [
  SICILY,
  ['GEOPOS Sicily Palermo Catania none', [PALERMO, CATANIA, NULL_ARRAY]],
  ['GEOPOS Sicily', []],
  ['GEOPOS none Palermo', [NULL_ARRAY]],
  CITIES,
  [
    'GEOPOS cities NorthEast SouthWest',
    [
      [double('180'), double('85.0511287799999991')],
      [double('-179.99999731779098511'), double('-85.05112751263942528')],
    ],
  ],
]);

behaviour('GEOHASH tells the standard geohash', [
  SICILY,
  ['GEOHASH Sicily Palermo Catania none', ['sqc8b49rny0', 'sqdtr74hyu0', null]],
  ['GEOHASH none Palermo', [null]],
  ['GEOHASH Sicily', []],
  CITIES,
  [
    'GEOHASH cities Paris NewYork Sydney Origin',
    ['u09tvw0f640', 'dr5regw3pp0', 'r3gx2f77bj0', 's0000000000'],
  ],
]);

behaviour('GEODIST tells distances in any unit', [
  SICILY,
  ['GEODIST Sicily Palermo Catania', '166274.1516'],
  ['GEODIST Sicily Palermo Catania m', '166274.1516'],
  ['GEODIST Sicily Palermo Catania KM', '166.2742'],
  ['GEODIST Sicily Palermo Catania ft', '545518.8700'],
  ['GEODIST Sicily Palermo Catania mi', '103.3182'],
  ['GEODIST Sicily Palermo Palermo', '0.0000'],
  ['GEODIST Sicily Palermo none', null],
  ['GEODIST none Palermo Catania', null],
  ['GEODIST Sicily Palermo Catania parsec', UNKNOWN_UNIT],
  ['GEODIST none Palermo Catania parsec', UNKNOWN_UNIT],
  ['GEODIST Sicily Palermo Catania m m', SYNTAX_ERROR],
]);

// Searching -------------------------------------------------------------------------------------------------

behaviour('GEOSEARCH finds members in a circle or a box', [
  SICILY,
  ['GEOADD Sicily 12.758489 38.788135 edge1 17.241510 38.788135 edge2', 2],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC', ['Catania', 'Palermo']],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 100 km', ['Catania']],
  [
    'GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST WITHHASH',
    [
      ['Catania', '56.4413', 3479447370796909, CATANIA],
      ['Palermo', '190.4424', 3479099956230698, PALERMO],
      [
        'edge2',
        '279.7403',
        3481342659049484,
        [double('17.24151045083999634'), double('38.78813451624225195')],
      ],
      [
        'edge1',
        '279.7405',
        3479273021651468,
        [double('12.7584877610206604'), double('38.78813451624225195')],
      ],
    ],
  ],
  ['GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 0 m', ['Palermo']],
  ['GEOSEARCH Sicily bybox 1 1 m frommember Catania withdist', [['Catania', '0.0000']]],
  ['GEOSEARCH Sicily FROMLONLAT 0 0 BYRADIUS 1 m', []],
  ['GEOSEARCH Sicily BYRADIUS 300 km DESC COUNT 2 FROMLONLAT 15 37', ['edge1', 'edge2']],
  ['GEOSEARCH Sicily BYRADIUS 300 km COUNT 3 FROMLONLAT 15 37', ['Catania', 'Palermo', 'edge2']],
  ['GEOSEARCH none FROMLONLAT 0 0 BYRADIUS 1 m', []],
  ['GEOSEARCH none FROMMEMBER m BYRADIUS 1 m', []],
]);

behaviour('GEOSEARCH all over the world', [
  CITIES,
  [
    'GEOSEARCH cities FROMMEMBER Paris BYRADIUS 30000 km ASC WITHDIST',
    [
      ['Paris', '0.0000'],
      ['London', '343.6268'],
      ['Berlin', '877.7111'],
      ['Rome', '1105.5920'],
      ['Origin', '5438.8285'],
      ['NewYork', '5838.8879'],
      ['CapeTown', '9344.3745'],
      ['Tokyo', '9714.8114'],
      ['East', '14581.4982'],
      ['West', '14582.2953'],
      ['SouthWest', '15994.4345'],
      ['Sydney', '16965.2829'],
    ],
  ],
  ['GEOSEARCH cities FROMLONLAT 180 0 BYRADIUS 100 km ASC', ['East']],
  ['GEOSEARCH cities FROMLONLAT 0 0 BYBOX 50000 50000 km COUNT 2', ['Origin', 'CapeTown']],
  ['GEOSEARCH cities FROMLONLAT 0 0 BYRADIUS 1000 mi COUNT 1 ANY', ['Origin']],
]);

behaviour('GEOSEARCH says what is wrong with its arguments', [
  SICILY,
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 parsec', UNKNOWN_UNIT],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS x m', error('ERR need numeric radius')],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS -1 m', NEGATIVE_RADIUS],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX x 1 m', error('ERR need numeric width')],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 x m', error('ERR need numeric height')],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 -1 m', error('ERR height or width cannot be negative')],
  [
    'GEOSEARCH Sicily FROMLONLAT 15 87 BYRADIUS 1 m',
    error('ERR invalid longitude,latitude pair 15.000000,87.000000'),
  ],
  ['GEOSEARCH Sicily FROMMEMBER none BYRADIUS 1 m', NO_SUCH_MEMBER],
  ['GEOSEARCH Sicily FROMMEMBER Palermo FROMLONLAT 1 2 BYRADIUS 1 m', SYNTAX_ERROR],
  ['GEOSEARCH Sicily FROMLONLAT 1 2 BYRADIUS 1 m BYBOX 1 1 m', SYNTAX_ERROR],
  ['GEOSEARCH Sicily FROMLONLAT 1 2 BYRADIUS 1', SYNTAX_ERROR],
  [
    'GEOSEARCH Sicily FROMLONLAT 15 37 ASC WITHDIST',
    error('ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH'),
  ],
  [
    'geoSearch Sicily BYRADIUS 1 m ASC WITHDIST',
    error('ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geoSearch'),
  ],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m COUNT 0', error('ERR COUNT must be > 0')],
  [
    'GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m COUNT x',
    error('ERR value is not an integer or out of range'),
  ],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m COUNT', SYNTAX_ERROR],
  [
    'GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m ANY',
    error('ERR the ANY argument requires COUNT argument'),
  ],
  ['GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m STOREDIST', SYNTAX_ERROR],
  ['GEOSEARCH none FROMLONLAT 15 37 BYRADIUS 1 m FOO', SYNTAX_ERROR],
]);

behaviour('GEOSEARCHSTORE keeps what it finds', [
  SICILY,
  ['GEOSEARCHSTORE near Sicily FROMLONLAT 15 37 BYRADIUS 200 km', 2],
  ['GEOPOS near Palermo Catania', [PALERMO, CATANIA]],
  ['OBJECT ENCODING near', 'listpack'],
  ['GEOSEARCHSTORE near Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1', 1],
  ['GEOPOS near Palermo', [NULL_ARRAY]],
  ['SET near text', OK],
  ['GEOSEARCHSTORE near Sicily FROMMEMBER Palermo BYBOX 10 10 km STOREDIST', 1],
  ['GEOSEARCHSTORE near Sicily FROMLONLAT 0 0 BYRADIUS 1 m', 0],
  ['EXISTS near', 0],
  ['GEOSEARCHSTORE Sicily Sicily FROMMEMBER Palermo BYRADIUS 1 km', 1],
  ['GEOPOS Sicily Palermo Catania', [PALERMO, NULL_ARRAY]],
  ['GEOSEARCHSTORE Sicily none FROMMEMBER Palermo BYRADIUS 1 km', 0],
  ['EXISTS Sicily', 0],
  [
    'GEOSEARCHSTORE d s FROMLONLAT 1 1 BYRADIUS 1 m WITHDIST',
    error('ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options'),
  ],
]);

behaviour('GEORADIUS and GEORADIUS_RO', [
  SICILY,
  ['GEORADIUS Sicily 15 37 200 km', unordered('Palermo', 'Catania')],
  [
    'GEORADIUS Sicily 15 37 200 km WITHDIST DESC',
    [
      ['Palermo', '190.4424'],
      ['Catania', '56.4413'],
    ],
  ],
  ['GEORADIUS_RO Sicily 15 37 200 km COUNT 1 WITHCOORD', [['Catania', CATANIA]]],
  ['GEORADIUS Sicily 15 37 200 km STORE near', 2],
  ['GEOHASH near Palermo', ['sqc8b49rny0']],
  ['GEORADIUS Sicily 15 37 100 km STOREDIST near', 1],
  ['GEORADIUS Sicily 15 37 1 km STORE near', 0],
  ['EXISTS near', 0],
  ['GEORADIUS none 15 37 1 km', []],
  ['GEORADIUS none 15 37 1 km STORE near', 0],
  ['GEORADIUS_RO Sicily 15 37 200 km STORE near', SYNTAX_ERROR],
  ['GEORADIUS Sicily 15 37 200 km STORE', SYNTAX_ERROR],
  ['GEORADIUS Sicily 15 37 200 km FROMMEMBER Palermo', SYNTAX_ERROR],
  [
    'GEORADIUS Sicily 15 37 200 km STORE near WITHHASH',
    error('ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options'),
  ],
  ['GEORADIUS Sicily 15 37 x km', error('ERR need numeric radius')],
  ['GEORADIUS Sicily 15 37 1 x', UNKNOWN_UNIT],
  ['GEORADIUS Sicily 15 x 1 km', NOT_A_FLOAT],
]);

behaviour('GEORADIUSBYMEMBER and GEORADIUSBYMEMBER_RO', [
  SICILY,
  ['GEOADD Sicily 13.583333 37.316667 Agrigento', 1],
  ['GEORADIUSBYMEMBER Sicily Agrigento 100 km ASC', ['Agrigento', 'Palermo']],
  [
    'GEORADIUSBYMEMBER_RO Sicily Agrigento 100 km WITHDIST ASC',
    [
      ['Agrigento', '0.0000'],
      ['Palermo', '90.9778'],
    ],
  ],
  ['GEORADIUSBYMEMBER Sicily Agrigento 100 km STORE near', 2],
  ['GEORADIUSBYMEMBER_RO Sicily Agrigento 100 km STOREDIST near', SYNTAX_ERROR],
  ['GEORADIUSBYMEMBER Sicily none 100 km', NO_SUCH_MEMBER],
  ['GEORADIUSBYMEMBER none m x parsec', []],
  ['GEORADIUSBYMEMBER none m x parsec STORE near', 0],
  ['EXISTS near', 0],
  ['GEORADIUSBYMEMBER Sicily Agrigento -1 km', NEGATIVE_RADIUS],
]);

behaviour('Geo commands are for sorted sets', [
  ['SET k v', OK],
  ['GEOADD k 1 2 m', WRONG_TYPE],
  ['GEOADD k x 2 m', NOT_A_FLOAT],
  ['GEODIST k a b', WRONG_TYPE],
  ['GEOHASH k a', WRONG_TYPE],
  ['GEOPOS k a', WRONG_TYPE],
  ['GEORADIUS k x 2 3 km', WRONG_TYPE],
  ['GEORADIUS_RO k 1 2 3 km', WRONG_TYPE],
  ['GEORADIUSBYMEMBER k m 3 km', WRONG_TYPE],
  ['GEORADIUSBYMEMBER_RO k m 3 km', WRONG_TYPE],
  ['GEOSEARCH k FROMLONLAT 1 2 BYRADIUS 1 km', WRONG_TYPE],
  ['GEOSEARCHSTORE d k FROMLONLAT 1 2 BYRADIUS 1 km', WRONG_TYPE],
]);
